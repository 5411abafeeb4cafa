/** What arrived for a two-way number on one day, for the account that has the number, in answers of bounded size. */
import type { Database } from '../store/database.ts';
import { type DayQuery, type IncomingRow, incomingOfDay, numberBelongsTo } from '../store/incoming.ts';

export type IncomingAnswer =
  | { readonly kind: 'unknown-number' }
  /** `more`: later messages of the day did not fit. */
  | { readonly kind: 'rows'; readonly rows: readonly IncomingRow[]; readonly more: boolean };

export type IncomingDayQuery = Omit<DayQuery, 'afterSeq'> & Partial<Pick<DayQuery, 'afterSeq'>>;

/** Of ASCII JSON: 16,000 messages of 70 hanzi, which take the event loop 190 to 260 ms to write. */
const MAX_ANSWER_BYTES = 8_388_608;
const BYTES_OF_A_UNIT = 6;
const BYTES_BESIDE_THE_TEXT = 100;

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
    let afterSeq = query.afterSeq;
    for (;;) {
      const page = await incomingOfDay(this.#database, { ...query, afterSeq });
      for (const row of page.rows) {
        bytes += BYTES_BESIDE_THE_TEXT + BYTES_OF_A_UNIT * row.text.length;
        // At least one message, however large, or the next query would make no progress.
        if (bytes > this.#maxAnswerBytes && rows.length > 0) return { kind: 'rows', rows, more: true };
        rows.push(row);
      }
      if (page.last) return { kind: 'rows', rows, more: false };
      afterSeq = page.rows.at(-1)?.seq;
    }
  }
}
