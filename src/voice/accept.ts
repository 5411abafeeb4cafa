/**
 * Acceptance of calls: answers «accepted» only after the commit that reserves the points, stores and enqueues a call,
 * in one transaction with those that came at the same time. A batch whose commit was lost is run again as it was,
 * until it is known; what stays unknown gets no answer.
 */
import type { Clock } from '../base/clock.ts';
import { FeigeError } from '../base/errors.ts';
import { GroupCommit } from '../base/group-commit.ts';
import { inHalves } from '../base/halves.ts';
import type { Logger } from '../base/log.ts';
import { acceptCalls, acceptCallsAgain, type CallRow, type RejectedCall } from '../store/calls.ts';
import { askUntilKnown, judgeCharges, MsgidBlocks } from '../store/charged-batch.ts';
import {
  type Database,
  isConnectionLoss,
  ROW_FAULT,
  sqlState,
  type StageConnection,
  TRANSIENT,
} from '../store/database.ts';

const MAX_BATCH = 500;
/** Requests waiting for a commit; beyond it the client is told of a fault (-99) and nothing is stored. */
const MAX_WAITING = 10_000;

/** `accountVersion`: of the account's settings under which the request was judged. */
export type NewCall = Omit<CallRow, 'msgid' | 'runningPoints' | 'runningCalls'>;

export type CallOutcome =
  | { readonly kind: 'accepted'; readonly msgid: number }
  | { readonly kind: 'insufficient-points' }
  /** The account's settings changed since it was read: read it again and judge again. */
  | { readonly kind: 'account-changed' }
  /** Certainly not stored, nothing reserved. */
  | { readonly kind: 'not-stored' }
  /** Nobody knows whether it was stored: the client must not be told either. */
  | { readonly kind: 'unresolved' };

const INSUFFICIENT: CallOutcome = { kind: 'insufficient-points' };
const CHANGED: CallOutcome = { kind: 'account-changed' };
const NOT_STORED: CallOutcome = { kind: 'not-stored' };
const UNRESOLVED: CallOutcome = { kind: 'unresolved' };

export interface CallAcceptanceOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lingerMs: number;
  /** Called after a commit that put something into the queue. */
  readonly onQueued: () => void;
  readonly onBatch: (calls: number) => void;
  readonly onUnresolved: (calls: number) => void;
  /** How long a lost commit is asked after; undefined: 50 s. */
  readonly resolveWithinMs?: number;
}

export class CallAcceptance {
  readonly #options: CallAcceptanceOptions;
  readonly #connection: StageConnection;
  readonly #msgids: MsgidBlocks;
  readonly #commits: GroupCommit<NewCall, CallOutcome>;

  constructor(options: CallAcceptanceOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#msgids = new MsgidBlocks(options.database);
    this.#commits = new GroupCommit({
      maxBatch: MAX_BATCH,
      lingerMs: options.lingerMs,
      maxWaiting: MAX_WAITING,
      run: (batch) => this.#commit(batch),
    });
  }

  /** Reserves, stores and enqueues the call, or says why not. Never throws. */
  async accept(call: NewCall): Promise<CallOutcome> {
    return (await this.#commits.submit(call)) ?? NOT_STORED;
  }

  /** Resolves when what waits is committed. */
  stop(): Promise<void> {
    return this.#commits.drain();
  }

  async #commit(batch: readonly NewCall[]): Promise<CallOutcome[]> {
    this.#options.onBatch(batch.length);
    const outcomes = await this.#acceptAll(batch);
    if (outcomes.some((outcome) => outcome.kind === 'accepted')) this.#options.onQueued();
    return outcomes;
  }

  /** Each part of a batch that is tried by itself fails by itself: others of it may be committed. */
  async #acceptAll(batch: readonly NewCall[]): Promise<CallOutcome[]> {
    try {
      return await this.#tryAll(batch);
    } catch (error) {
      this.#options.log.error({ err: error, calls: batch.length }, 'a batch of calls could not be stored');
      return batch.map(() => NOT_STORED);
    }
  }

  /** Throws only when nothing of this batch was stored. */
  async #tryAll(batch: readonly NewCall[]): Promise<CallOutcome[]> {
    const rows = await this.#rowsOf(batch);
    const attempt = await this.#attempt(rows);
    if (attempt === 'unresolved') {
      this.#options.onUnresolved(batch.length);
      return batch.map(() => UNRESOLVED);
    }
    if (attempt === 'row-fault') return this.#inHalves(batch);
    return this.#judge(batch, rows, attempt);
  }

  /** A row that breaks the statement must not fail its neighbours: halves, down to the one. */
  async #inHalves(batch: readonly NewCall[]): Promise<CallOutcome[]> {
    return batch.length === 1 ? [NOT_STORED] : inHalves(batch, (half) => this.#acceptAll(half));
  }

  /** Rows the balance did not cover in this order go again without those before them that were turned down. */
  async #judge(
    batch: readonly NewCall[],
    rows: readonly CallRow[],
    rejected: readonly RejectedCall[],
  ): Promise<CallOutcome[]> {
    const again: number[] = [];
    const outcomes = judgeCharges(rows, rejected).map((verdict, index): CallOutcome => {
      if (verdict === 'accepted') return { kind: 'accepted', msgid: rows[index]?.msgid ?? 0 };
      if (verdict === 'again') again.push(index);
      return verdict === 'account-changed' ? CHANGED : INSUFFICIENT;
    });
    if (again.length === 0) return outcomes;
    const second = await this.#acceptAll(again.map((index) => batch[index] as NewCall));
    for (const [place, index] of again.entries()) outcomes[index] = second[place] ?? NOT_STORED;
    return outcomes;
  }

  async #attempt(rows: readonly CallRow[]): Promise<readonly RejectedCall[] | 'row-fault' | 'unresolved'> {
    try {
      return await acceptCalls(this.#connection, this.#options.clock.now(), rows);
    } catch (error) {
      if (error instanceof FeigeError) throw error;
      if (ROW_FAULT.test(sqlState(error))) return 'row-fault';
      if (TRANSIENT.test(sqlState(error))) return this.#resolve(rows);
      if (!isConnectionLoss(error)) throw error;
      this.#options.log.warn({ err: error, calls: rows.length }, 'the outcome of a commit is unknown; asking again');
      return this.#resolve(rows);
    }
  }

  /** Runs the identical batch until the database says what became of it. */
  async #resolve(rows: readonly CallRow[]): Promise<readonly RejectedCall[] | 'row-fault' | 'unresolved'> {
    const known = await askUntilKnown(
      () => acceptCallsAgain(this.#connection, this.#options.clock.now(), rows),
      this.#options.resolveWithinMs,
    );
    if (known === 'unresolved')
      this.#options.log.error({ calls: rows.length }, 'the outcome of a commit stays unknown');
    return known;
  }

  async #rowsOf(batch: readonly NewCall[]): Promise<CallRow[]> {
    let msgid = await this.#msgids.take(batch.length);
    const points = new Map<number, number>();
    const calls = new Map<number, number>();
    return batch.map((call) => {
      const runningPoints = (points.get(call.accountId) ?? 0) + call.points;
      points.set(call.accountId, runningPoints);
      const runningCalls = (calls.get(call.accountId) ?? 0) + 1;
      calls.set(call.accountId, runningCalls);
      const row = { ...call, msgid, runningPoints, runningCalls };
      msgid += 1;
      return row;
    });
  }
}
