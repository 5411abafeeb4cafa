/** What arrived for a two-way number on one day, for the account that has the number. */
import type { Database } from '../store/database.ts';
import { type IncomingRow, incomingOfDay, numberBelongsTo } from '../store/incoming.ts';

export type IncomingAnswer =
  | { readonly kind: 'unknown-number' }
  | { readonly kind: 'rows'; readonly rows: readonly IncomingRow[] };

export class IncomingQuery {
  readonly #database: Database;

  constructor(options: { database: Database }) {
    this.#database = options.database;
  }

  async find(query: { accountId: number; snumber: string; startMs: number; endMs: number }): Promise<IncomingAnswer> {
    if (!(await numberBelongsTo(this.#database, query.snumber, query.accountId))) return { kind: 'unknown-number' };
    return { kind: 'rows', rows: await incomingOfDay(this.#database, query) };
  }
}
