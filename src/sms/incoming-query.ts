/**
 * What arrived for a two-way number on one day, for the account that has the number, in parts of bounded size: the day is
 * read an hour at a time, and no further than the answer reaches.
 */
import type { Database } from '../store/database.ts';
import { type IncomingRow, incomingOfDay, numberBelongsTo } from '../store/incoming.ts';

export type IncomingAnswer =
  | { readonly kind: 'unknown-number' }
  /** `more`: later ones of the day did not fit. */
  | { readonly kind: 'rows'; readonly rows: readonly IncomingRow[]; readonly more: boolean };

interface DayQuery {
  accountId: number;
  snumber: string;
  startMs: number;
  endMs: number;
}

export interface IncomingDayQuery extends DayQuery {
  /** Only those that come behind this one in the day's order; none when it is not of the day. */
  afterSeq?: number | undefined;
}

/** As JSON in ASCII: 16,000 messages of 70 hanzi, and 190 to 260 ms of the event loop to write them. */
const MAX_ANSWER_BYTES = 8_388_608;
const BYTES_OF_A_UNIT = 6;
const BYTES_BESIDE_THE_TEXT = 100;
const HOUR_MS = 3_600_000;
/** The most that the store gives at once. */
const PAGE_ROWS = 10_000;

export class IncomingQuery {
  readonly #database: Database;
  readonly #maxAnswerBytes: number;

  /** Only tests give bytes. */
  constructor(options: { database: Database; maxAnswerBytes?: number }) {
    this.#database = options.database;
    this.#maxAnswerBytes = options.maxAnswerBytes ?? MAX_ANSWER_BYTES;
  }

  async find(query: IncomingDayQuery): Promise<IncomingAnswer> {
    if (!(await numberBelongsTo(this.#database, query.snumber, query.accountId))) return { kind: 'unknown-number' };
    const rows: IncomingRow[] = [];
    let bytes = 0;
    let isBehind = query.afterSeq === undefined;
    for await (const page of this.#pages(query)) {
      for (const row of page) {
        if (isBehind) {
          bytes += BYTES_BESIDE_THE_TEXT + BYTES_OF_A_UNIT * row.text.length;
          // One at least, however large: or the next query would not come further.
          if (bytes > this.#maxAnswerBytes && rows.length > 0) return { kind: 'rows', rows, more: true };
          rows.push(row);
        } else {
          isBehind = row.seq === query.afterSeq;
        }
      }
    }
    return { kind: 'rows', rows, more: false };
  }

  /** The day's rows, each once, in the order of their arrival. */
  async *#pages({ startMs, endMs, ...number }: DayQuery): AsyncGenerator<readonly IncomingRow[]> {
    for (let hourMs = startMs; hourMs < endMs; hourMs += HOUR_MS) {
      const untilMs = Math.min(hourMs + HOUR_MS, endMs);
      let seen = new Set<number>();
      let page: IncomingRow[];
      let fromMs = hourMs;
      do {
        page = await incomingOfDay(this.#database, { ...number, startMs: fromMs, endMs: untilMs });
        const fresh = page.filter(({ seq }) => !seen.has(seq));
        if (fresh.length === 0) break;
        yield fresh;
        // Times are finer than a millisecond: those of the last one come once more, and are left out.
        fromMs = Math.floor(page.at(-1)?.receivedAtMs ?? untilMs);
        seen = new Set(page.filter(({ receivedAtMs }) => receivedAtMs >= fromMs).map(({ seq }) => seq));
      } while (page.length >= PAGE_ROWS);
    }
  }
}
