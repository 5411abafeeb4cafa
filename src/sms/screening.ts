/**
 * The last look at a message before it goes out: has its validity ended, is a word of it filtered (REJERROR), does
 * its recipient want no messages (REJMOBIL)? Such a message was accepted and charged; it ends refunded.
 */
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { createWordFilter } from '../domain/content-filter.ts';
import type { Database } from '../store/database.ts';
import type { QueuedMessage } from '../store/queue.ts';
import { loadScreening } from '../store/screening.ts';
import type { EndedMessage } from '../store/submissions.ts';

const REFRESH_EVERY_MS = 1_000;
/** The key of the lists that hold for every account; account ids start at 1. */
const EVERY_ACCOUNT = 0;

type WordFilter = (text: string) => string | undefined;

export class Screening {
  readonly #refresh: Periodic;
  readonly #database: Database;
  #filters: ReadonlyMap<number, WordFilter> = new Map();
  #optOuts: ReadonlyMap<number, ReadonlySet<string>> = new Map();
  #version = '';

  constructor(options: { database: Database; log: Logger }) {
    this.#database = options.database;
    this.#refresh = new Periodic({
      everyMs: REFRESH_EVERY_MS,
      run: async () => {
        await this.refresh();
        return false;
      },
      onError: (error) => options.log.warn({ err: error }, 'filter words and opt-outs could not be read'),
    });
  }

  async start(): Promise<void> {
    await this.refresh();
    this.#refresh.start();
  }

  stop(): Promise<void> {
    return this.#refresh.stop();
  }

  async refresh(): Promise<void> {
    const loaded = await loadScreening(this.#database, this.#version);
    if (!loaded) return;
    this.#version = loaded.version;
    this.#filters = new Map(
      [...Map.groupBy(loaded.words, (row) => row.accountId ?? EVERY_ACCOUNT)].map(([accountId, rows]) => [
        accountId,
        createWordFilter(rows.map((row) => row.word)),
      ]),
    );
    this.#optOuts = new Map(
      [...Map.groupBy(loaded.optOuts, (row) => row.accountId ?? EVERY_ACCOUNT)].map(([accountId, rows]) => [
        accountId,
        new Set(rows.map((row) => row.mobile)),
      ]),
    );
  }

  /** How the message ends instead of going out; undefined: it goes out. */
  judge(message: QueuedMessage, nowMs: number): EndedMessage | undefined {
    if (message.expiresAtMs <= nowMs) return ended(message, 'EXPIRED', 'expired', 'its validity ended in the queue');
    if (this.#optOuts.size > 0 && this.#isOptedOut(message)) {
      return ended(message, 'REJMOBIL', 'opted-out', 'the recipient is on the opt-out list');
    }
    if (this.#filters.size > 0 && this.#filteredWord(message) !== undefined) {
      return ended(message, 'REJERROR', 'filtered', 'a word of the keyword filter');
    }
    return undefined;
  }

  #isOptedOut(message: QueuedMessage): boolean {
    return (
      this.#optOuts.get(EVERY_ACCOUNT)?.has(message.mobile) === true ||
      this.#optOuts.get(message.accountId)?.has(message.mobile) === true
    );
  }

  #filteredWord(message: QueuedMessage): string | undefined {
    return this.#filters.get(EVERY_ACCOUNT)?.(message.body) ?? this.#filters.get(message.accountId)?.(message.body);
  }
}

function ended(message: QueuedMessage, state: string, event: string, detail: string): EndedMessage {
  const untouched = message.sentMask === 0 && message.resends === 0;
  return {
    msgid: message.msgid,
    state,
    refund: untouched,
    event,
    operatorId: undefined,
    segment: undefined,
    link: undefined,
    sequence: undefined,
    status: undefined,
    detail,
  };
}
