/**
 * Acceptance of calls: answers «accepted» only after the commit that reserves the points, stores and enqueues a call,
 * in one transaction with those that came at the same time. A batch whose commit was lost is run again as it was,
 * until it is known; what stays unknown gets no answer.
 */
import type { Clock } from '../base/clock.ts';
import { FeigeError } from '../base/errors.ts';
import { GroupCommit } from '../base/group-commit.ts';
import type { Logger } from '../base/log.ts';
import { LAST_MSGID, MSGID_BLOCK_SIZE, takeMsgidBlock } from '../store/acceptance.ts';
import { acceptCalls, acceptCallsAgain, type CallRow, type RejectedCall } from '../store/calls.ts';
import { type Database, isConnectionLoss, type StageConnection } from '../store/database.ts';

const MAX_BATCH = 500;
/** Requests waiting for a commit; beyond it the client is told of a fault (-99) and nothing is stored. */
const MAX_WAITING = 10_000;
/** How long a lost commit is asked after before the connections are closed without an answer. */
const RESOLVE_WITHIN_MS = 50_000;
const RESOLVE_PAUSE_MS = 250;
/** SQLSTATE classes that one row's content can cause: data exception, integrity violation, program limit. */
const ROW_FAULT = /^(22|23|54)/;
/** Deadlock and serialisation failure: nothing happened, the same batch can go again. */
const TRANSIENT = /^40/;

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
}

function sqlState(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

export class CallAcceptance {
  readonly #options: CallAcceptanceOptions;
  readonly #connection: StageConnection;
  readonly #commits: GroupCommit<NewCall, CallOutcome>;
  #nextMsgid = 0;
  #blockEnd = 0;

  constructor(options: CallAcceptanceOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
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
    if (batch.length === 1) return [NOT_STORED];
    const middle = Math.ceil(batch.length / 2);
    const first = await this.#acceptAll(batch.slice(0, middle));
    return [...first, ...(await this.#acceptAll(batch.slice(middle)))];
  }

  /** Rows the balance did not cover in this order go again without those before them that were turned down. */
  async #judge(
    batch: readonly NewCall[],
    rows: readonly CallRow[],
    rejected: readonly RejectedCall[],
  ): Promise<CallOutcome[]> {
    const outcomes: CallOutcome[] = rows.map((row) => ({ kind: 'accepted', msgid: row.msgid }));
    if (rejected.length === 0) return outcomes;
    const reasons = new Map(rejected.map((row) => [row.msgid, row]));
    const left = balancesLeft(rows, reasons);
    const again: number[] = [];
    for (const [index, row] of rows.entries()) {
      const reason = reasons.get(row.msgid);
      if (!reason) continue;
      if (reason.stale) outcomes[index] = CHANGED;
      else if (row.points > (left.get(row.accountId) ?? 0)) outcomes[index] = INSUFFICIENT;
      else again.push(index);
    }
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
    const deadlineMs = performance.now() + RESOLVE_WITHIN_MS;
    while (performance.now() < deadlineMs) {
      try {
        return await acceptCallsAgain(this.#connection, this.#options.clock.now(), rows);
      } catch (error) {
        if (ROW_FAULT.test(sqlState(error))) return 'row-fault';
        await new Promise((resolve) => setTimeout(resolve, RESOLVE_PAUSE_MS));
      }
    }
    this.#options.log.error({ calls: rows.length }, 'the outcome of a commit stays unknown');
    return 'unresolved';
  }

  async #rowsOf(batch: readonly NewCall[]): Promise<CallRow[]> {
    let msgid = await this.#takeMsgids(batch.length);
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

  /** Ids of one batch never span two blocks, so that a ledger row's first and last msgid enclose nobody else's. */
  async #takeMsgids(count: number): Promise<number> {
    if (this.#nextMsgid + count > this.#blockEnd) {
      const first = await takeMsgidBlock(this.#options.database);
      this.#nextMsgid = first;
      this.#blockEnd = Math.min(first + MSGID_BLOCK_SIZE, LAST_MSGID + 1);
    }
    const first = this.#nextMsgid;
    this.#nextMsgid += count;
    return first;
  }
}

/** What each account that had rows turned down has left after the rows that were taken. */
function balancesLeft(
  rows: readonly CallRow[],
  rejected: ReadonlyMap<number, RejectedCall>,
): ReadonlyMap<number, number> {
  const left = new Map<number, number>();
  for (const row of rows) {
    const reason = rejected.get(row.msgid);
    if (reason) left.set(row.accountId, left.get(row.accountId) ?? reason.balance);
  }
  for (const row of rows) {
    const balance = left.get(row.accountId);
    if (balance !== undefined && !rejected.has(row.msgid)) left.set(row.accountId, balance - row.points);
  }
  return left;
}
