/**
 * Writes down what submits led to, many at a time. Until a batch is committed its messages stay claimed, so that a
 * death in between is found by whoever takes over; while the database is away the batch is tried again.
 */
import type { Clock } from '../base/clock.ts';
import { GroupCommit } from '../base/group-commit.ts';
import type { Logger } from '../base/log.ts';
import type { Database, Queryable, StageConnection } from '../store/database.ts';
import { giveBack, type ReturnedMessage } from '../store/queue.ts';
import { settleJoined } from '../store/receipts.ts';
import type { SettledRow } from '../store/settlement.ts';
import {
  type EndedMessage,
  endMessages,
  noteEvents,
  type RecordedSubmissions,
  recordSubmitted,
  type SubmitEvent,
  type SubmittedSegment,
  waitingUnderTheirId,
} from '../store/submissions.ts';

const MAX_BATCH = 500;
/** Batches of 130 to 300 were measured best: the response is not waited for by anyone. */
const LINGER_MS = 25;
/** The windows of all links bound it; this only catches a mistake. */
const MAX_WAITING = 100_000;
const RETRY_PAUSE_MS = 200;

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
  readonly refundUndelivered: boolean;
  readonly onSettled: (rows: readonly SettledRow[]) => void;
  readonly onBatch: (outcomes: number) => void;
}

export class OutcomeRecorder {
  readonly #options: OutcomeRecorderOptions;
  readonly #connection: StageConnection;
  readonly #commits: GroupCommit<Outcome, undefined>;
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

  /** Takes an outcome over; `recorded` is called once it is committed, or given up at the end. */
  add(outcome: Outcome, recorded: () => void): void {
    if (!this.#commits.add(outcome, recorded)) {
      this.#options.log.error({}, 'too many outcomes wait to be recorded');
      recorded();
    }
  }

  /** From `afterMs` on, what the database does not take is left to whoever takes over. */
  giveUpAfter(afterMs: number): void {
    setTimeout(() => {
      this.#givingUp = true;
    }, afterMs).unref();
  }

  /** Resolves when everything is committed or given up. */
  stop(): Promise<void> {
    return this.#commits.drain();
  }

  async #record(batch: readonly Outcome[]): Promise<undefined[]> {
    this.#options.onBatch(batch.length);
    while (true) {
      try {
        await this.#recordOnce(batch);
        return batch.map(() => undefined);
      } catch (error) {
        this.#options.log.error({ err: error, outcomes: batch.length }, 'outcomes of submits could not be recorded');
        if (this.#givingUp) return batch.map(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
      }
    }
  }

  async #recordOnce(batch: readonly Outcome[]): Promise<void> {
    const submitted = batch.flatMap((outcome) => outcome.submitted);
    const onlySubmitted = batch.every((o) => !o.ended && !o.returned && o.events.length === 0);
    if (onlySubmitted) {
      await this.#recordSegments(this.#connection, submitted);
      return;
    }
    const settled = await this.#connection.transaction(async (tx) => {
      if (submitted.length > 0) await this.#recordSegments(tx, submitted);
      return this.#recordRest(tx, batch);
    });
    this.#options.onSettled(settled);
  }

  async #recordRest(tx: Queryable, batch: readonly Outcome[]): Promise<readonly SettledRow[]> {
    const events = batch.flatMap((outcome) => outcome.events);
    if (events.length > 0) await noteEvents(tx, events);
    for (const epoch of new Set(batch.map((outcome) => outcome.epoch))) {
      const returned = batch.flatMap((o) => (o.epoch === epoch && o.returned ? [o.returned] : []));
      if (returned.length > 0) await giveBack(tx, epoch, returned);
    }
    const ended = batch.flatMap((outcome) => (outcome.ended ? [outcome.ended] : []));
    return ended.length === 0 ? [] : endMessages(tx, this.#options.clock.now(), ended);
  }

  async #recordSegments(db: Queryable, segments: readonly SubmittedSegment[]): Promise<void> {
    const recorded = await recordSubmitted(db, segments);
    if (recorded.stored < segments.length) await this.#recordUnderOwnId(db, segments);
    if (recorded.arrived.length > 0) await this.#settle(db, recorded.arrived);
  }

  async #settle(db: Queryable, arrived: RecordedSubmissions['arrived']): Promise<void> {
    const nowMs = this.#options.clock.now();
    this.#options.onSettled(await settleJoined(db, nowMs, arrived, this.#options.refundUndelivered));
  }

  /** An operator gave an id it had given before: the newer segment waits without one, as if it had not been told. */
  async #recordUnderOwnId(db: Queryable, segments: readonly SubmittedSegment[]): Promise<void> {
    const waiting = await waitingUnderTheirId(db, segments);
    const doubled = segments.filter((_, index) => !waiting.has(index));
    if (doubled.length === 0) return;
    await recordSubmitted(
      db,
      doubled.map((segment) => ({
        ...segment,
        operatorMessageId: undefined,
        detail: `the operator gave the id ${segment.operatorMessageId} twice`,
      })),
    );
  }
}
