/**
 * Records how attempts ended, many in one statement. While the database is away nothing is lost, and nothing further is
 * recorded: the batch is tried until it is written, or until the stage gives up when it stops.
 */
import { backoffMs } from '../base/backoff.ts';
import { GroupCommit } from '../base/group-commit.ts';
import type { Logger } from '../base/log.ts';
import { isConnectionLoss, type Queryable } from '../store/database.ts';
import { type Claim, type Delivered, type Failed, recordDelivered, recordFailed } from '../store/outbox.ts';

export type Settlement = ({ readonly kind: 'delivered' } & Delivered) | ({ readonly kind: 'failed' } & Failed);

type Record<Row> = (db: Queryable, rows: readonly Row[], withEvents: boolean) => Promise<void>;

const LINGER_MS = 50;
const MAX_BATCH = 500;
/** Attempts that ended but are not recorded yet; above half of this the stage starts no further attempt. */
const MAX_UNWRITTEN = 10_000;
const RETRY = { baseMs: 50, maxMs: 2_000 };

export class SettleAttempts {
  readonly #db: Queryable;
  readonly #log: Logger;
  readonly #forgotten: (callbackIds: readonly number[], written: boolean) => void;
  readonly #batches: GroupCommit<Settlement, undefined>;
  #abandoned = false;

  /** `forgotten` is called for every settlement that is done with here, with whether it was written. */
  constructor(options: {
    db: Queryable;
    log: Logger;
    forgotten: (callbackIds: readonly number[], written: boolean) => void;
  }) {
    this.#db = options.db;
    this.#log = options.log;
    this.#forgotten = options.forgotten;
    this.#batches = new GroupCommit({
      maxBatch: MAX_BATCH,
      lingerMs: LINGER_MS,
      maxWaiting: MAX_UNWRITTEN,
      run: async (settlements) => {
        await this.#write(settlements);
        return settlements.map(() => undefined);
      },
    });
  }

  /** False: so many results are unwritten that no further attempt should be made. */
  hasRoom(): boolean {
    return this.#batches.waiting < MAX_UNWRITTEN / 2;
  }

  add(settlement: Settlement): void {
    if (this.#batches.add(settlement)) return;
    // The callback goes out once more.
    this.#log.warn('a callback attempt could not be recorded');
    this.#forgotten([settlement.callbackId], false);
  }

  /** Resolves when all is written, or after `boundMs`; then no more is tried. */
  async drain(boundMs: number): Promise<void> {
    const bound = setTimeout(() => {
      this.#abandoned = true;
    }, boundMs);
    await this.#batches.drain();
    clearTimeout(bound);
    this.#abandoned = true;
  }

  async #write(settlements: readonly Settlement[]): Promise<void> {
    const delivered = settlements.filter((one) => one.kind === 'delivered');
    const failed = settlements.filter((one) => one.kind === 'failed');
    if (delivered.length > 0) await this.#untilWritten(delivered, recordDelivered);
    if (failed.length > 0) await this.#untilWritten(failed, recordFailed);
  }

  async #untilWritten<Row extends Claim>(rows: readonly Row[], record: Record<Row>): Promise<void> {
    for (let tries = 1; !this.#abandoned; tries += 1) {
      try {
        await record(this.#db, rows, true);
        this.#forgotten(
          rows.map((row) => row.callbackId),
          true,
        );
        return;
      } catch (error) {
        this.#log.warn({ err: error, callbacks: rows.length, tries }, 'callback attempts were not recorded');
        if (!isConnectionLoss(error)) return this.#oneByOne(rows, record);
        await new Promise((resolve) => setTimeout(resolve, backoffMs(tries, RETRY)));
      }
    }
  }

  /** A row that the database refuses, such as one whose partition of events is gone, fails none of its neighbours. */
  async #oneByOne<Row extends Claim>(rows: readonly Row[], record: Record<Row>): Promise<void> {
    for (const row of rows) {
      const written = await record(this.#db, [row], true)
        .catch(() => record(this.#db, [row], false))
        .then(
          () => true,
          (error: unknown) => {
            this.#log.error({ err: error }, 'a callback attempt could not be recorded');
            return false;
          },
        );
      this.#forgotten([row.callbackId], written);
    }
  }
}
