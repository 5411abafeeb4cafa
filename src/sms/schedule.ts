/** What time does to waiting messages: due ones enter the queue, expired ones leave it with their refund. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import type { Database, StageConnection } from '../store/database.ts';
import { expireQueued, promoteDue } from '../store/queue.ts';
import type { SettledRow } from '../store/settlement.ts';

const PROMOTE_EVERY_MS = 100;
const EXPIRE_EVERY_MS = 1_000;
const MAX_BATCH = 500;

export class Schedule {
  readonly #promote: Periodic;
  readonly #expire: Periodic;
  readonly #connection: StageConnection;

  constructor(options: {
    database: Database;
    clock: Clock;
    log: Logger;
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
        const settled = await expireQueued(this.#connection, options.clock.now(), MAX_BATCH);
        if (settled.length > 0) options.onSettled(settled);
        return settled.reduce((sum, row) => sum + row.count, 0) === MAX_BATCH;
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
}
