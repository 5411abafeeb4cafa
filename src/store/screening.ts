/** Filter words and opt-outs as the dispatchers need them: all at once, and only when they changed. */
import type { Queryable, Statement } from './database.ts';

export interface ScreeningLists {
  /** Changes whenever the lists do. */
  readonly version: string;
  readonly words: readonly { accountId: number | null; word: string }[];
  readonly optOuts: readonly { accountId: number | null; mobile: string }[];
}

const VERSION: Statement = {
  name: 'screening-version',
  text: `SELECT (SELECT coalesce(max(word_id), 0) || '/' || count(*) FROM filter_words) || '|' ||
                (SELECT coalesce(extract(epoch FROM max(since)), 0) || '/' || count(*) FROM opt_outs) AS version`,
};
const WORDS: Statement = { name: 'screening-words', text: 'SELECT account_id AS "accountId", word FROM filter_words' };
const OPT_OUTS: Statement = {
  name: 'screening-opt-outs',
  text: 'SELECT account_id AS "accountId", mobile FROM opt_outs',
};

/** The lists, or undefined if they have not changed since `knownVersion`. */
export async function loadScreening(db: Queryable, knownVersion: string): Promise<ScreeningLists | undefined> {
  const [row] = await db.query<{ version: string }>(VERSION, []);
  const version = row?.version ?? '';
  if (version === knownVersion) return undefined;
  const words = await db.query<{ accountId: number | null; word: string }>(WORDS, []);
  const optOuts = await db.query<{ accountId: number | null; mobile: string }>(OPT_OUTS, []);
  return { version, words, optOuts };
}
