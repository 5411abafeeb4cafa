/**
 * Checks whether a drurl answers 200 (spec §3 drurl, README point 23). A good answer is remembered for a minute, for
 * the URL without its query; a bad one is not. Equal checks at the same time share one request. The number of checks is
 * bounded per host and per account; a check that finds no room has failed.
 */
import type { Clock } from '../base/clock.ts';
import type { AddressRules } from './address-rules.ts';
import type { OutgoingClient } from './client.ts';

const TIMEOUT_MS = 5_000;
const GOOD_FOR_MS = 60_000;
const MAX_REMEMBERED = 10_000;
const MAX_RUNNING = 128;
const MAX_RUNNING_PER_HOST = 8;
const MAX_RUNNING_PER_ACCOUNT = 8;
const MAX_WAITING = 1_000;
const MAX_WAITING_PER_ACCOUNT = 50;
const MAX_WAIT_MS = 5_000;

interface Turn {
  readonly host: string;
  readonly accountId: number;
}

interface WaitingTurn extends Turn {
  readonly go: () => void;
}

export class DrurlCheck {
  readonly #client: Pick<OutgoingClient, 'get'>;
  readonly #rules: AddressRules;
  readonly #clock: Clock;
  /** Until when the answer of a URL without its query counts, oldest first. */
  readonly #goodUntilMs = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<boolean>>();
  readonly #running = new Set<Turn>();
  readonly #waiting: WaitingTurn[] = [];

  constructor(options: { client: Pick<OutgoingClient, 'get'>; rules: AddressRules; clock: Clock }) {
    this.#client = options.client;
    this.#rules = options.rules;
    this.#clock = options.clock;
  }

  /** True when the host of `url` is a literal address that may not be contacted: that is 00140, not 00170. */
  isForbiddenLiteral(url: string): boolean {
    const parsed = URL.parse(url);
    return parsed !== null && this.#rules.literalVerdict(parsed) === 'forbidden';
  }

  /** True when `url` (absolute, http or https) answers 200 within 5 s or did so in the last minute. Never throws. */
  check(url: string, accountId: number): Promise<boolean> {
    const parsed = URL.parse(url);
    if (!parsed) return Promise.resolve(false);
    const key = parsed.origin + parsed.pathname;
    if (this.#isRemembered(key)) return Promise.resolve(true);
    const question = key + parsed.search;
    const shared = this.#underWay.get(question);
    if (shared) return shared;
    const asking = this.#ask(question, key, { host: parsed.host, accountId }).finally(() =>
      this.#underWay.delete(question),
    );
    this.#underWay.set(question, asking);
    return asking;
  }

  async #ask(question: string, key: string, turn: Turn): Promise<boolean> {
    if (!(await this.#takeTurn(turn))) return false;
    try {
      // Another query of the same URL may have been answered while this one waited.
      if (this.#isRemembered(key)) return true;
      const outcome = await this.#client.get(question, { timeoutMs: TIMEOUT_MS });
      const good = outcome.kind === 'answered' && outcome.status === 200;
      if (good) this.#remember(key);
      return good;
    } finally {
      this.#running.delete(turn);
      this.#grantTurns();
    }
  }

  #isRemembered(key: string): boolean {
    const untilMs = this.#goodUntilMs.get(key);
    return untilMs !== undefined && this.#clock.now() < untilMs;
  }

  #remember(key: string): void {
    this.#goodUntilMs.delete(key);
    if (this.#goodUntilMs.size >= MAX_REMEMBERED) {
      const oldest = this.#goodUntilMs.keys().next();
      if (!oldest.done) this.#goodUntilMs.delete(oldest.value);
    }
    this.#goodUntilMs.set(key, this.#clock.now() + GOOD_FOR_MS);
  }

  #takeTurn(turn: Turn): Promise<boolean> {
    if (this.#mayRun(turn)) {
      this.#running.add(turn);
      return Promise.resolve(true);
    }
    const ofAccount = this.#waiting.filter((waiting) => waiting.accountId === turn.accountId).length;
    if (this.#waiting.length >= MAX_WAITING || ofAccount >= MAX_WAITING_PER_ACCOUNT) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        resolve(false);
      }, MAX_WAIT_MS);
      timer.unref();
      const waiting: WaitingTurn = {
        ...turn,
        go: () => {
          clearTimeout(timer);
          this.#running.add(turn);
          resolve(true);
        },
      };
      this.#waiting.push(waiting);
    });
  }

  #mayRun({ host, accountId }: Turn): boolean {
    if (this.#running.size >= MAX_RUNNING) return false;
    let ofHost = 0;
    let ofAccount = 0;
    for (const turn of this.#running) {
      if (turn.host === host) ofHost += 1;
      if (turn.accountId === accountId) ofAccount += 1;
    }
    return ofHost < MAX_RUNNING_PER_HOST && ofAccount < MAX_RUNNING_PER_ACCOUNT;
  }

  #grantTurns(): void {
    for (let at = 0; at < this.#waiting.length && this.#running.size < MAX_RUNNING; ) {
      const waiting = this.#waiting[at];
      if (waiting && this.#mayRun(waiting)) {
        this.#waiting.splice(at, 1);
        waiting.go();
      } else {
        at += 1;
      }
    }
  }
}
