/**
 * What time does to waiting messages: due ones enter the queue, expired ones leave it, refunded unless an operator may
 * have them.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import type { Database, StageConnection } from '../store/database.ts';
import { expireQueued, findExpired, promoteDue } from '../store/queue.ts';
import type { SettledRow } from '../store/settlement.ts';
import { holdExpired } from '../store/unknown-outcomes.ts';

const PROMOTE_EVERY_MS = 100;
const EXPIRE_EVERY_MS = 1_000;
/** Rows of the queue a round; it goes through a million waiting messages in fifty seconds. */
const EXPIRE_LOOKS_AT = 20_000;
const MAX_BATCH = 500;

export class Schedule {
  readonly #promote: Periodic;
  readonly #expire: Periodic;
  readonly #connection: StageConnection;
  #lookedUpTo = 0;

  constructor(options: {
    database: Database;
    clock: Clock;
    log: Logger;
    graceMs: number;
    onQueued: () => void;
    onSettled: (rows: readonly SettledRow[]) => void;
  }) {
    this.#connection = options.database.stage();
    const onError = (error: unknown) => options.log.warn({ err: error }, 'due messages could not be looked for');
    this.#promote = new Periodic({
      everyMs: PROMOTE_EVERY_MS,
      run: async () => {
        const promoted = await promoteDue(this.#connection, options.clock.now(), MAX_BATCH);
        if (promoted > 0) options.onQueued();
        return promoted === MAX_BATCH;
      },
      onError,
    });
    this.#expire = new Periodic({
      everyMs: EXPIRE_EVERY_MS,
      run: async () => {
        await this.#expirePart(options.clock.now(), options);
        return false;
      },
      onError,
    });
  }

  start(): void {
    this.#promote.start();
    this.#expire.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#promote.stop(), this.#expire.stop()]);
  }

  /**
   * One part of the queue a round, from the start again at its end. A claim checks validity itself, so none is sent
   * late.
   */
  async #expirePart(
    nowMs: number,
    options: { graceMs: number; onSettled: (rows: readonly SettledRow[]) => void },
  ): Promise<void> {
    const part = await findExpired(this.#connection, nowMs, this.#lookedUpTo, EXPIRE_LOOKS_AT);
    this.#lookedUpTo = part.seen < EXPIRE_LOOKS_AT ? 0 : part.last;
    for (let first = 0; first < part.expired.length; first += MAX_BATCH) {
      const batch = part.expired.slice(first, first + MAX_BATCH);
      await holdExpired(this.#connection, nowMs, batch, options.graceMs);
      const settled = await expireQueued(this.#connection, nowMs, batch);
      if (settled.length > 0) options.onSettled(settled);
    }
  }
}
