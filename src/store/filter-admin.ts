/**
 * The keyword filter's words (REJERROR) and the numbers that want no messages (REJMOBIL), platform-wide or for one
 * account, as an administrator keeps them. Matching is done elsewhere; here they are only listed, added and removed.
 */
import type { Database, Queryable } from './database.ts';

export interface FilterWord {
  word: string;
  /** Null: holds for every account. */
  username: string | null;
}

export interface OptOut {
  /** E.164 digits. */
  mobile: string;
  /** Null: holds for every account. */
  username: string | null;
  sinceMs: number;
}

export type Added = 'added' | 'there-already' | 'unknown-account';
export type Removed = 'removed' | 'not-there' | 'unknown-account';

/** Undefined: no such account. Null: none was named, which means all of them. */
async function accountIdOf(db: Queryable, username: string | null): Promise<number | null | undefined> {
  if (username === null) return null;
  const rows = await db.query<{ accountId: number }>(
    { name: 'filter-admin.account', text: 'SELECT account_id AS "accountId" FROM accounts WHERE username = $1' },
    [username],
  );
  return rows[0]?.accountId;
}

export async function addFilterWord(db: Database, { word, username }: FilterWord): Promise<Added> {
  const accountId = await accountIdOf(db, username);
  if (accountId === undefined) return 'unknown-account';
  const rows = await db.query(
    {
      name: 'filter-admin.add-word',
      text: 'INSERT INTO filter_words (account_id, word) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING word_id',
    },
    [accountId, word],
  );
  return rows.length === 1 ? 'added' : 'there-already';
}

export async function removeFilterWord(db: Database, { word, username }: FilterWord): Promise<Removed> {
  const accountId = await accountIdOf(db, username);
  if (accountId === undefined) return 'unknown-account';
  const rows = await db.query(
    {
      name: 'filter-admin.remove-word',
      text: `DELETE FROM filter_words WHERE account_id IS NOT DISTINCT FROM $1::int AND word = $2 RETURNING word_id`,
    },
    [accountId, word],
  );
  return rows.length > 0 ? 'removed' : 'not-there';
}

/** All words, or with a name only what holds for that account: its own and everybody's. */
export async function listFilterWords(db: Database, username: string | null): Promise<FilterWord[]> {
  return db.query<FilterWord>(
    {
      name: 'filter-admin.list-words',
      text: `SELECT w.word, a.username FROM filter_words w LEFT JOIN accounts a USING (account_id)
        WHERE $1::text IS NULL OR w.account_id IS NULL OR a.username = $1
        ORDER BY a.username NULLS FIRST, w.word`,
    },
    [username],
  );
}

export async function addOptOut(
  db: Database,
  { mobile, username }: { mobile: string; username: string | null },
): Promise<Added> {
  const accountId = await accountIdOf(db, username);
  if (accountId === undefined) return 'unknown-account';
  const rows = await db.query(
    {
      name: 'filter-admin.add-opt-out',
      text: `INSERT INTO opt_outs (mobile, account_id, since)
        SELECT $2, $1, now() + offset_ms * interval '1 millisecond' FROM clock_shift
        ON CONFLICT DO NOTHING RETURNING mobile`,
    },
    [accountId, mobile],
  );
  return rows.length === 1 ? 'added' : 'there-already';
}

export async function removeOptOut(
  db: Database,
  { mobile, username }: { mobile: string; username: string | null },
): Promise<Removed> {
  const accountId = await accountIdOf(db, username);
  if (accountId === undefined) return 'unknown-account';
  const rows = await db.query(
    {
      name: 'filter-admin.remove-opt-out',
      text: `DELETE FROM opt_outs WHERE account_id IS NOT DISTINCT FROM $1::int AND mobile = $2 RETURNING mobile`,
    },
    [accountId, mobile],
  );
  return rows.length > 0 ? 'removed' : 'not-there';
}

/** All of them, or with a name only what holds for that account: its own and everybody's. */
export async function listOptOuts(db: Database, username: string | null): Promise<OptOut[]> {
  return db.query<OptOut>(
    {
      name: 'filter-admin.list-opt-outs',
      text: `SELECT o.mobile, a.username, (extract(epoch FROM o.since) * 1000)::float8 AS "sinceMs"
        FROM opt_outs o LEFT JOIN accounts a USING (account_id)
        WHERE $1::text IS NULL OR o.account_id IS NULL OR a.username = $1
        ORDER BY o.mobile, a.username NULLS FIRST`,
    },
    [username],
  );
}
