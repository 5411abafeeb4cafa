/**
 * Message ids, shared by messages and calls. The database hands them out in blocks, so that accepting a batch asks it
 * for none as a rule; a restart leaves the rest of its block unused, and no id is ever given twice.
 */
import type { Database, Queryable, Statement } from './database.ts';

/** Ids a block holds; the sequence's INCREMENT BY. */
const BLOCK_SIZE = 1000;
/** The last id there is (spec README point 11). */
export const LAST_MSGID = 99_999_999_999;

const NEXT_BLOCK: Statement = { name: 'next-msgid-block', text: "SELECT nextval('msgid_blocks') AS first" };

export class MsgidBlocks {
  readonly #database: Database;
  #next = 0;
  #end = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The first of `count` consecutive ids. A batch never spans two blocks, so that there is no id of another node
   * between the first and the last id in its ledger row.
   */
  async take(count: number): Promise<number> {
    if (this.#next + count > this.#end) {
      this.#next = await firstOfNextBlock(this.#database);
      this.#end = Math.min(this.#next + BLOCK_SIZE, LAST_MSGID + 1);
    }
    const first = this.#next;
    this.#next += count;
    return first;
  }
}

async function firstOfNextBlock(db: Queryable): Promise<number> {
  const [row] = await db.query<{ first: number }>(NEXT_BLOCK, []);
  if (!row) throw new Error('nextval gave no row');
  return row.first;
}
