/**
 * What this node knows of the operators: their settings, and which of them have a bound link on any node. Read
 * from the database every second; everyone who routes asks here.
 */
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { chooseOperator, type RouteCandidate } from '../domain/route.ts';
import type { Database } from '../store/database.ts';
import { linkStates } from '../store/links.ts';
import type { EpochHolder } from '../store/node-lease.ts';
import { listOperators, type Operator } from '../store/operators.ts';

const REFRESH_EVERY_MS = 1_000;
const NO_EPOCH = -1;
/**
 * How long a reading of the links may be relied on; a link that another node binds later waits that long before it
 * sends.
 */
export const LINKS_KNOWN_FOR_MS = 2_500;

/** The bound links of an operator: on all nodes, and on this one. */
export interface BoundLinks {
  readonly bound: number;
  readonly mine: number;
  /** When the database was asked, on the monotonic clock. */
  readonly askedAtMs: number;
}

export class OperatorDirectory {
  readonly #database: Database;
  readonly #lease: EpochHolder;
  readonly #log: Logger;
  readonly #refresh: Periodic;
  readonly #listeners: (() => void)[] = [];
  #operators: ReadonlyMap<number, Operator> = new Map();
  #candidates: readonly RouteCandidate[] = [];
  #sharing: ReadonlyMap<number, readonly number[]> = new Map();
  #links: ReadonlyMap<number, { bound: number; mine: number }> = new Map();
  #linksAskedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: { database: Database; lease: EpochHolder; log: Logger }) {
    this.#database = options.database;
    this.#lease = options.lease;
    this.#log = options.log;
    this.#refresh = new Periodic({
      everyMs: REFRESH_EVERY_MS,
      run: async () => {
        await this.refresh();
        return false;
      },
      onError: (error) => options.log.warn({ err: error }, 'the operators could not be read'),
    });
  }

  async start(): Promise<void> {
    await this.refresh();
    this.#refresh.start();
  }

  stop(): Promise<void> {
    return this.#refresh.stop();
  }

  /** Called after every refresh. */
  onRefresh(listener: () => void): void {
    this.#listeners.push(listener);
  }

  all(): Iterable<Operator> {
    return this.#operators.values();
  }

  find(operatorId: number): Operator | undefined {
    return this.#operators.get(operatorId);
  }

  /**
   * The operators that are one account at one SMSC (same host, port and system_id), in ascending order: a receipt may
   * come over the links of any of them. The operator itself is always among them.
   */
  sharing(operatorId: number): readonly number[] {
    return this.#sharing.get(operatorId) ?? [operatorId];
  }

  /** Whether any node has a bound link to it. */
  isUp(operatorId: number): boolean {
    return (this.#links.get(operatorId)?.bound ?? 0) > 0;
  }

  linksOf(operatorId: number): BoundLinks {
    const { bound, mine } = this.#links.get(operatorId) ?? { bound: 0, mine: 0 };
    return { bound, mine, askedAtMs: this.#linksAskedAtMs };
  }

  /**
   * Where a message to this number waits: the best operator that is up, else the best one; undefined: nobody carries
   * it.
   */
  choose(e164: string): number | undefined {
    return chooseOperator(e164, this.#candidates, (operatorId) => this.isUp(operatorId));
  }

  async refresh(): Promise<void> {
    const operators = await listOperators(this.#database);
    const askedAtMs = performance.now();
    this.#tellOfPasswords(operators);
    const links = await linkStates(this.#database, this.#lease.epoch() ?? NO_EPOCH);
    // If two readings overlap, the later one counts.
    if (askedAtMs < this.#linksAskedAtMs) return;
    this.#linksAskedAtMs = askedAtMs;
    this.#operators = new Map(operators.map((operator) => [operator.operatorId, operator]));
    this.#sharing = groupsOf(operators);
    this.#candidates = operators.map((operator) => ({
      operatorId: operator.operatorId,
      prefixes: operator.settings.prefixes,
      priority: operator.settings.priority,
      enabled: operator.enabled,
    }));
    this.#links = new Map(links.map((link) => [link.operator_id, link]));
    for (const listener of this.#listeners) listener();
  }

  /** Logs once per change that an operator can't be bound; its messages wait or take another route. */
  #tellOfPasswords(operators: readonly Operator[]): void {
    for (const { operatorId, name, passwordProblem } of operators) {
      if (passwordProblem === undefined || passwordProblem === this.#operators.get(operatorId)?.passwordProblem)
        continue;
      this.#log.error({ operator: name, reason: passwordProblem }, 'an operator has a password that cannot be read');
    }
  }
}

function groupsOf(operators: readonly Operator[]): ReadonlyMap<number, readonly number[]> {
  const byAccount = Map.groupBy(operators, ({ settings: { host, port, systemId } }) =>
    JSON.stringify([host.toLowerCase(), port, systemId]),
  );
  const groups = [...byAccount.values()].map((group) =>
    group.map(({ operatorId }) => operatorId).sort((a, b) => a - b),
  );
  return new Map(groups.flatMap((group) => group.map((operatorId) => [operatorId, group] as const)));
}
