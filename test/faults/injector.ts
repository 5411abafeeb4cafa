/** Does what a schedule says to the running world, undoes it in time, and notes when each fault began and was over. */
import { setTimeout as pause } from 'node:timers/promises';
import type { CustomerOrder } from './customer-process.ts';
import type { FaultDatabase } from './fault-database.ts';
import type { FaultProxy } from './fault-proxy.ts';
import { segmentsClaimed, segmentsLeftClaimed } from './node-claims.ts';
import type { OperatorMood } from './operator-mood.ts';
import type { InjectedFault } from './recovery.ts';
import { describeFault, type Fault } from './schedule.ts';
import { OPERATOR, type World } from './world.ts';

const SLOW_DATABASE_MS = 60;
const SLOW_LINE_MS = 250;
/** Late, and too late: the second is beyond the response timeout. */
const LATE_MS = 1_000;
const TOO_LATE_MS = 3_000;
const TOO_LATE_FROM_MS = 3_000;
const EARLY_RECEIPT_MS = 500;
/** So long without the database, the time it takes to come back included, may be longer than a lease. */
const LEASE_IN_DANGER_MS = 4_000;
/** Longer than it takes to ask a database that answers. */
const ASKED_WITHIN_MS = 2_000;

const END_CONNECTIONS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;

/** What the operator itself does wrong; its line's faults are those of any line. */
const MOODS: Partial<Record<Fault['kind'], (mood: OperatorMood, durationMs: number) => void>> = {
  throttles: (mood) => {
    mood.throttles = true;
  },
  'answers late': (mood, durationMs) => {
    mood.responseDelayMs = durationMs < TOO_LATE_FROM_MS ? LATE_MS : TOO_LATE_MS;
  },
  'receipts early': (mood) => {
    mood.responseDelayMs = EARLY_RECEIPT_MS;
  },
  'receipts twice': (mood) => {
    mood.receiptsTwice = true;
  },
  'receipts for unknown ids': (mood) => {
    mood.receiptsForUnknownIds = true;
  },
  'answers garbage': (mood) => mood.answerGarbage(),
  'cuts in mid-PDU': (mood) => mood.cutInMidPdu(),
};

/** Both ways: requests to the nodes, and callbacks to the customer's server. */
function customerLines({ requests, callbacks }: World['lines']): FaultProxy[] {
  return [...requests, callbacks];
}

export class Injector {
  readonly injected: InjectedFault[] = [];
  readonly notices: string[] = [];
  readonly #world: World<FaultDatabase>;
  /** What nodes had claimed when they were killed or stopped, counted or being counted. */
  readonly #leftClaimed: Promise<number>[] = [];
  /** The end of each part's latest fault: on a slow machine healing takes longer than the schedule left for it. */
  readonly #healed = new Map<Fault['part'], Promise<void>>();

  constructor(world: World<FaultDatabase>) {
    this.#world = world;
  }

  /** Segments of unknown outcome: not heard of on the operator's lines, or in the hands of a node that was struck. */
  async inFlightAtCuts(): Promise<{ onLines: number; inNodes: number[] }> {
    return { onLines: this.#world.mood.unheard, inNodes: await Promise.all(this.#leftClaimed) };
  }

  /** Resolves when every fault of the schedule is over, rejects when one could not be brought about or undone. */
  async run(faults: readonly Fault[], signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    await Promise.all(
      faults.map(async (fault) => {
        await pause(Math.max(0, fault.startMs - (performance.now() - startedMs)), undefined, { signal });
        const turn = (this.#healed.get(fault.part) ?? Promise.resolve()).then(() => this.#inject(fault, signal));
        this.#healed.set(fault.part, turn);
        await turn;
      }),
    );
  }

  async #inject(fault: Fault, signal: AbortSignal): Promise<void> {
    const { notMounted } = this.#world.servers.volume;
    if (fault.kind === 'full disk' && notMounted !== undefined) {
      this.notices.push(`the disk was not filled: ${notMounted}`);
      return;
    }
    const startedAtMs = Date.now();
    const metBefore = this.#met(fault);
    await this.#countBeforeOutage(fault);
    const heal = await this.#begin(fault);
    if (fault.durationMs > 0) await pause(fault.durationMs, undefined, { signal }).catch(() => {});
    const healedAtMs = Date.now();
    const description = describeFault(fault).trim();
    if (this.#met(fault) === metBefore) this.notices.push(`nothing was there to be harmed: ${description}`);
    else this.injected.push({ description, startedAtMs, healedAtMs });
    await heal();
  }

  /** Grows with every harm that a fault of this kind does on a line; NaN where the harm is sure. */
  #met({ kind, part }: Fault): number {
    const { lines, mood, servers } = this.#world;
    switch (part) {
      case 'node-1':
      case 'node-2':
      case 'simulator':
      case 'database':
        return Number.NaN;
      case 'operator link':
        return MOODS[kind] === undefined ? lines.operator.met : mood.met;
      case 'database links':
        return servers.lines.reduce((sum, line) => sum + line.met, 0);
      case 'customer link':
        return kind === 'answers 500' ? Number.NaN : customerLines(lines).reduce((sum, line) => sum + line.met, 0);
    }
  }

  async #begin({ kind, part, durationMs }: Fault): Promise<() => Promise<void> | void> {
    switch (part) {
      case 'node-1':
        return this.#onNode(0, kind);
      case 'node-2':
        return this.#onNode(1, kind);
      case 'simulator':
        return this.#onSimulator(kind);
      case 'database':
        return this.#onDatabase(kind);
      case 'operator link':
        return this.#onOperatorLine(kind, durationMs);
      case 'database links':
        return this.#onLines(this.#world.servers.lines, kind, SLOW_DATABASE_MS);
      case 'customer link':
        return kind === 'answers 500'
          ? this.#failCustomer()
          : this.#onLines(customerLines(this.#world.lines), kind, SLOW_LINE_MS);
    }
  }

  async #onNode(index: 0 | 1, kind: Fault['kind']): Promise<() => Promise<void> | void> {
    const node = this.#world.nodes[index];
    if (kind === 'SIGSTOP') {
      node.process.signal('SIGSTOP');
      this.#leftClaimed.push(this.#countClaims());
      return () => node.process.signal('SIGCONT');
    }
    await node.kill();
    this.#leftClaimed.push(this.#countClaims());
    return () => node.start();
  }

  /** Outcomes that a node hears of and cannot write before its lease runs out are of claims that it has by now. */
  async #countBeforeOutage({ part, durationMs }: Fault): Promise<void> {
    const isOutage = part === 'database' || part === 'database links';
    if (!isOutage || durationMs < LEASE_IN_DANGER_MS) return;
    const counted = this.#orAllWindows(segmentsClaimed(this.#world.database));
    this.#leftClaimed.push(counted);
    await counted;
  }

  #countClaims(): Promise<number> {
    return this.#orAllWindows(segmentsLeftClaimed(this.#world.database));
  }

  /** The most that fits into all windows where the database does not answer. */
  #orAllWindows(counting: Promise<number>): Promise<number> {
    const late = pause(ASKED_WITHIN_MS, OPERATOR.window * OPERATOR.links, { ref: false });
    return Promise.race([counting.catch(() => late), late]);
  }

  async #onSimulator(kind: Fault['kind']): Promise<() => Promise<void> | void> {
    const { simulator, startSimulator, journal } = this.#world;
    if (kind === 'SIGSTOP') {
      simulator.signal('SIGSTOP');
      return () => simulator.signal('SIGCONT');
    }
    await simulator.kill();
    journal.poll();
    return startSimulator;
  }

  async #onDatabase(kind: Fault['kind']): Promise<() => Promise<void> | void> {
    const { server, volume } = this.#world.servers;
    if (kind === 'kill -9') {
      await server.kill();
      return () => server.start();
    }
    if (kind === 'SIGSTOP') {
      server.freeze();
      return () => server.thaw();
    }
    if (kind === 'full disk') {
      await volume.fill();
      return async () => {
        await volume.empty();
        await server.start();
      };
    }
    if (kind === 'refuses writes') {
      await server.administer('ALTER SYSTEM SET default_transaction_read_only = on');
      await server.administer('SELECT pg_reload_conf()');
      return async () => {
        await server.administer('ALTER SYSTEM RESET default_transaction_read_only');
        await server.administer('SELECT pg_reload_conf()');
      };
    }
    await server.administer(END_CONNECTIONS);
    return () => {};
  }

  #onOperatorLine(kind: Fault['kind'], durationMs: number): () => void {
    const { mood, lines } = this.#world;
    const worsen = MOODS[kind];
    if (worsen === undefined) return this.#onLines([lines.operator], kind, SLOW_LINE_MS);
    worsen(mood, durationMs);
    return () => mood.recover();
  }

  #onLines(lines: readonly FaultProxy[], kind: Fault['kind'], delayMs: number): () => void {
    for (const line of lines) {
      if (kind === 'half-open') line.setState({ kind: 'silent' });
      else if (kind === 'slow') line.setState({ kind: 'slow', delayMs });
      else line.setState({ kind: 'closed' });
    }
    return () => {
      for (const line of lines) line.setState({ kind: 'open' });
    };
  }

  #failCustomer(): () => void {
    const order = (fails: boolean): void => {
      this.#world.customer.child?.send({ kind: 'fail', fails } satisfies CustomerOrder);
    };
    order(true);
    return () => order(false);
  }
}
