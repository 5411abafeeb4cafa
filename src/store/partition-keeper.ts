/** Keeps partitions ahead of the msgids and drops old ones, hourly and whenever the msgids have moved far. */
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import type { Database } from './database.ts';
import { dropOldPartitions, makePartitions } from './partitions.ts';

const LOOK_EVERY_MS = 60_000;
const DAY_MS = 24 * 3600 * 1000;

export class PartitionKeeper {
  readonly #database: Database;
  readonly #look: Periodic;

  constructor(options: { database: Database; log: Logger; nowMs: () => number; retentionDays: number }) {
    this.#database = options.database;
    this.#look = new Periodic({
      everyMs: LOOK_EVERY_MS,
      run: async () => {
        await makePartitions(options.database);
        const beforeMs = options.nowMs() - options.retentionDays * DAY_MS;
        const { dropped, disagreeing } = await dropOldPartitions(options.database, beforeMs);
        if (dropped.length > 0) options.log.info({ partitions: dropped }, 'old messages were dropped');
        if (disagreeing.length > 0) {
          options.log.error({ partitions: disagreeing }, 'old messages do not agree with the ledger and are kept');
        }
        return false;
      },
      onError: (error) => options.log.error({ err: error }, 'partitions could not be kept'),
    });
  }

  /** Resolves when what the next hour may need is there. */
  async start(): Promise<void> {
    await makePartitions(this.#database);
    this.#look.start();
  }

  stop(): Promise<void> {
    return this.#look.stop();
  }
}
