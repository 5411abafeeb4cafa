/**
 * Decides what happens when no receipt came: kept receipts are tried again, segments that have waited long enough end
 * as ACCEPTD or UNKNOWN, and rows that were kept only for a correction are dropped.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { STATES, type State } from '../domain/states.ts';
import type { Database, StageConnection } from '../store/database.ts';
import { type DueKeptReceipt, dueKeptReceipts, forgetKept } from '../store/kept-receipts.ts';
import { forgetTimedOut, joinedSegments, settleJoined, timeOutSegments } from '../store/receipts.ts';
import type { SettledRow } from '../store/settlement.ts';
import type { OperatorDirectory } from './operator-directory.ts';
import type { Receipt } from './parse-receipt.ts';
import type { ReceiptIntake } from './receipt.ts';

const SWEEP_EVERY_MS = 250;
const FORGET_EVERY_MS = 60_000;
const MAX_BATCH = 500;
/** No segment waits longer for a receipt than validity (8 h), grace and the schedule's horizon of a correction. */
const KEEP_UNMATCHED_MS = 3 * 24 * 3600 * 1000;

export class Overdue {
  readonly #options: {
    readonly clock: Clock;
    readonly log: Logger;
    readonly receipts: ReceiptIntake;
    readonly directory: OperatorDirectory;
    /** Asks operators that can be asked, before their silence counts. */
    readonly ask: (nowMs: number) => Promise<void>;
    readonly refunds: (operatorId: number) => boolean;
    readonly onSettled: (rows: readonly SettledRow[]) => void;
  };
  readonly #connection: StageConnection;
  readonly #sweep: Periodic;
  readonly #forget: Periodic;

  constructor(options: {
    database: Database;
    clock: Clock;
    log: Logger;
    receipts: ReceiptIntake;
    directory: OperatorDirectory;
    ask: (nowMs: number) => Promise<void>;
    refunds: (operatorId: number) => boolean;
    onSettled: (rows: readonly SettledRow[]) => void;
  }) {
    this.#options = options;
    this.#connection = options.database.stage();
    const onError = (error: unknown) => options.log.warn({ err: error }, 'overdue segments could not be looked at');
    this.#sweep = new Periodic({ everyMs: SWEEP_EVERY_MS, run: () => this.#round(), onError });
    this.#forget = new Periodic({
      everyMs: FORGET_EVERY_MS,
      run: async () => {
        await forgetTimedOut(this.#connection, options.clock.now());
        return false;
      },
      onError,
    });
  }

  start(): void {
    this.#sweep.start();
    this.#forget.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#sweep.stop(), this.#forget.stop()]);
  }

  async #round(): Promise<boolean> {
    const { clock, directory, refunds, onSettled } = this.#options;
    const nowMs = clock.now();
    const joined = await joinedSegments(this.#connection, nowMs, MAX_BATCH);
    if (joined.length > 0) {
      onSettled(await settleJoined(this.#connection, nowMs, joined, refunds));
    }
    const kept = await this.#retryKept(nowMs);
    await this.#options.ask(nowMs);
    const refunding = [...directory.all()].map(({ operatorId }) => operatorId).filter(refunds);
    const timedOut = await timeOutSegments(this.#connection, nowMs, MAX_BATCH, refunding);
    if (timedOut.length > 0) onSettled(timedOut);
    const ended = timedOut.reduce((sum, row) => sum + row.count, 0);
    return joined.length === MAX_BATCH || kept === MAX_BATCH || ended === MAX_BATCH;
  }

  async #retryKept(nowMs: number): Promise<number> {
    const due = await dueKeptReceipts(this.#connection, nowMs, MAX_BATCH);
    if (due.length === 0) return 0;
    const matched = await this.#options.receipts.match(due.map(toReceipt), false);
    const done = due.filter((row, index) => matched[index] === 'known' || row.received_ms < nowMs - KEEP_UNMATCHED_MS);
    const forgotten = done.filter((row) => row.received_ms < nowMs - KEEP_UNMATCHED_MS).length;
    if (forgotten > 0)
      this.#options.log.warn({ receipts: forgotten }, 'receipts of unknown messages were dropped after three days');
    if (done.length > 0) {
      await forgetKept(this.#connection, done);
    }
    return due.length;
  }
}

function toReceipt(row: DueKeptReceipt): Receipt {
  const state = STATES.find((known): known is State => known === row.state) ?? 'pending';
  return {
    operatorId: row.operator_id,
    id: row.id,
    state,
    doneAtMs: row.done_ms,
    mobile: row.mobile ?? undefined,
    reference: row.reference ?? undefined,
    detail: row.detail,
  };
}
