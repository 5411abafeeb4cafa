/**
 * Records the outcomes of submits, many at a time. Messages stay claimed until their batch is committed, so that
 * another node takes them over if this one dies in between. While the database is away the batch is tried again. If the
 * database refuses an outcome for its content, the others go through, and its message waits for a receipt as if no
 * response had come.
 */
import type { Clock } from '../base/clock.ts';
import { GroupCommit } from '../base/group-commit.ts';
import { inHalves } from '../base/halves.ts';
import type { Logger } from '../base/log.ts';
import { type Database, isRowFault, type Queryable, type StageConnection } from '../store/database.ts';
import { giveBack, type ReturnedMessage } from '../store/queue.ts';
import { settleJoined } from '../store/receipts.ts';
import type { SettledRow } from '../store/settlement.ts';
import {
  type EndedMessage,
  endMessages,
  noteEvents,
  type RecordedSubmissions,
  type SubmitEvent,
  type SubmittedSegment,
} from '../store/submissions.ts';
import { holdUnrecorded } from '../store/unknown-outcomes.ts';
import { recordSegments } from './record-segments.ts';

const MAX_BATCH = 500;
/** Batches of 130 to 300 were measured best: the response is not waited for by anyone. */
const LINGER_MS = 25;
/** The windows of all links bound it; this only catches a mistake. */
const MAX_WAITING = 100_000;
const RETRY_PAUSE_MS = 200;
/** How often a single outcome is refused before its content is taken to be the cause. */
const MAX_REFUSALS = 2;

/** What became of one claimed message. */
export interface Outcome {
  readonly epoch: number;
  /** Segments that an operator took or may have taken. */
  readonly submitted: readonly SubmittedSegment[];
  readonly events: readonly SubmitEvent[];
  /** It ends now. */
  readonly ended: EndedMessage | undefined;
  /** It goes back to the queue. */
  readonly returned: ReturnedMessage | undefined;
}

export interface OutcomeRecorderOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Logger;
  readonly graceMs: number;
  /** Whether what this operator took and could not deliver is refunded. */
  readonly refunds: (operatorId: number) => boolean;
  readonly onSettled: (rows: readonly SettledRow[]) => void;
  readonly onBatch: (outcomes: number) => void;
}

export class OutcomeRecorder {
  readonly #options: OutcomeRecorderOptions;
  readonly #connection: StageConnection;
  readonly #commits: GroupCommit<Outcome, boolean>;
  #givingUp = false;

  constructor(options: OutcomeRecorderOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#commits = new GroupCommit({
      maxBatch: MAX_BATCH,
      lingerMs: LINGER_MS,
      maxWaiting: MAX_WAITING,
      run: (batch) => this.#record(batch),
    });
  }

  /** Takes an outcome; `done` is called once it is committed or given up. If given up, its message stays claimed. */
  add(outcome: Outcome, done: (committed: boolean) => void): void {
    if (!this.#commits.add(outcome, (_, committed) => done(committed === true))) {
      this.#options.log.error({}, 'too many outcomes wait to be recorded');
      done(false);
    }
  }

  /** After `afterMs`, outcomes that the database does not take are left for the node that takes over. */
  giveUpAfter(afterMs: number): void {
    setTimeout(() => {
      this.#givingUp = true;
    }, afterMs).unref();
  }

  /** Resolves when everything is committed or given up. */
  stop(): Promise<void> {
    return this.#commits.drain();
  }

  async #record(batch: readonly Outcome[]): Promise<boolean[]> {
    this.#options.onBatch(batch.length);
    return this.#recordAll(batch);
  }

  /** Says of each outcome whether it is committed. */
  async #recordAll(batch: readonly Outcome[]): Promise<boolean[]> {
    let refusals = 0;
    while (true) {
      try {
        await this.#recordOnce(batch);
        return batch.map(() => true);
      } catch (error) {
        this.#options.log.error({ err: error, outcomes: batch.length }, 'outcomes of submits could not be recorded');
        if (isRowFault(error) && batch.length > 1) return inHalves(batch, (half) => this.#recordAll(half));
        refusals += isRowFault(error) ? 1 : 0;
        const [outcome] = batch;
        if (outcome && refusals >= MAX_REFUSALS) return [await this.#hold(outcome)];
        if (this.#givingUp) return batch.map(() => false);
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
      }
    }
  }

  /** An outcome that can't be recorded counts as unknown, as if no response had come (design, promise 4). */
  async #hold(outcome: Outcome): Promise<boolean> {
    const { clock, graceMs, log } = this.#options;
    const { epoch, submitted, ended, returned } = outcome;
    const msgid = ended?.msgid ?? returned?.msgid ?? submitted[0]?.msgid;
    if (msgid === undefined) return false;
    while (!this.#givingUp) {
      try {
        await holdUnrecorded(this.#connection, clock.now(), { msgid, epoch, graceMs });
        log.error({ msgid }, 'the database refuses the outcome of a submit; the message waits for a receipt');
        return true;
      } catch (error) {
        log.error({ err: error, msgid }, 'a message whose outcome is refused could not be held');
        if (isRowFault(error)) return false;
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
      }
    }
    return false;
  }

  async #recordOnce(batch: readonly Outcome[]): Promise<void> {
    const submitted = batch.flatMap((outcome) => outcome.submitted);
    const { arrived, settled } = await this.#connection.transaction(async (tx) => ({
      arrived: submitted.length > 0 ? await recordSegments(tx, submitted) : [],
      settled: await this.#recordRest(tx, batch),
    }));
    if (settled.length > 0) this.#options.onSettled(settled);
    await this.#settle(arrived);
  }

  async #recordRest(tx: Queryable, batch: readonly Outcome[]): Promise<readonly SettledRow[]> {
    const events = batch.flatMap((outcome) => outcome.events);
    if (events.length > 0) await noteEvents(tx, events);
    const settled: SettledRow[] = [];
    for (const epoch of new Set(batch.map((outcome) => outcome.epoch))) {
      const own = batch.filter((outcome) => outcome.epoch === epoch);
      const returned = own.flatMap((outcome) => (outcome.returned ? [outcome.returned] : []));
      if (returned.length > 0) await giveBack(tx, epoch, returned);
      const ended = own.flatMap((outcome) => (outcome.ended ? [outcome.ended] : []));
      if (ended.length > 0) settled.push(...(await endMessages(tx, epoch, this.#options.clock.now(), ended)));
    }
    return settled;
  }

  /**
   * In a transaction of its own, after the queue's rows are let go: messages and accounts are locked here. What fails
   * is left to the sweep, for the segments themselves are recorded.
   */
  async #settle(arrived: RecordedSubmissions['arrived']): Promise<void> {
    if (arrived.length === 0) return;
    const { clock, log, onSettled, refunds } = this.#options;
    try {
      onSettled(await settleJoined(this.#connection, clock.now(), arrived, refunds));
    } catch (error) {
      log.warn({ err: error, segments: arrived.length }, 'early receipts were left to the sweep');
    }
  }
}
