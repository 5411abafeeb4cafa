/**
 * Accounts as their administrator sees them: made, changed, listed. Every change of a setting raises the
 * account's version, by which acceptance notices it. Points are moved elsewhere (ledger.ts), but for those an
 * account begins with. Passwords arrive hashed.
 */
import type { Database } from './database.ts';

export const ACCOUNT_STATES = ['active', 'disabled'] as const;
export const TEXT_ENCODINGS = ['auto', 'utf-8', 'big5'] as const;
export const DOUBLE_ENCODINGS = ['auto', 'always', 'never'] as const;

/** What an administrator can set; the settings of spec README points 4, 5 and 25 among them. */
export interface AccountSettings {
  state: (typeof ACCOUNT_STATES)[number];
  api: boolean;
  international: boolean;
  /** CIDR blocks; empty: every address may ask. */
  ipAllow: readonly string[];
  textEncoding: (typeof TEXT_ENCODINGS)[number];
  doubleEncoding: (typeof DOUBLE_ENCODINGS)[number];
  /** Where incoming messages are pushed to; null: nowhere. */
  incomingUrl: string | null;
  /** The sender shown to recipients instead of the operator's own; null: the operator's. */
  sourceAddress: string | null;
  /** Its part of an operator's capacity against the other accounts' parts; above 0. */
  share: number;
}

export interface AccountRecord extends AccountSettings {
  accountId: number;
  username: string;
  version: number;
  /** Points. */
  balance: number;
  createdAtMs: number;
}

const COLUMNS = `a.account_id::float8 AS "accountId", a.username, a.state, a.api, a.international, a.ip_allow AS "ipAllow",
  a.text_encoding AS "textEncoding", a.double_encoding AS "doubleEncoding", a.incoming_url AS "incomingUrl",
  a.source_address AS "sourceAddress", a.share, a.version::float8 AS version, a.balance::float8 AS balance,
  (extract(epoch FROM a.created_at) * 1000)::float8 AS "createdAtMs"`;

export type CreatedAccount = { kind: 'created'; account: AccountRecord } | { kind: 'exists' };

/**
 * Makes an account with `points` to begin with, which stand in the ledger as a top-up.
 * Settings that are not given have the defaults of spec README point 25.
 */
export async function createAccount(
  db: Database,
  account: { username: string; passwordHash: string; points: number; settings?: Partial<AccountSettings> },
): Promise<CreatedAccount> {
  const settings = account.settings ?? {};
  const rows = await db.query<AccountRecord>(
    {
      name: 'account-admin.create',
      text: `WITH a AS (
          INSERT INTO accounts (username, password_hash, state, api, international, ip_allow, text_encoding,
            double_encoding, incoming_url, source_address, share, balance)
          VALUES ($1, $2, coalesce($3, 'active'), coalesce($4, true), coalesce($5, false), coalesce($6, '{}'::text[]),
            coalesce($7, 'auto'), coalesce($8, 'auto'), $9, $10, coalesce($11::float8, 1), $12)
          ON CONFLICT (username) DO NOTHING
          RETURNING *
        ), entry AS (
          INSERT INTO ledger (account_id, at, kind, points, note)
          SELECT a.account_id, now() + c.offset_ms * interval '1 millisecond', 'topup', $12, 'opening balance'
          FROM a CROSS JOIN clock_shift c WHERE $12 > 0
        )
        SELECT ${COLUMNS} FROM a`,
    },
    [
      account.username,
      account.passwordHash,
      settings.state ?? null,
      settings.api ?? null,
      settings.international ?? null,
      settings.ipAllow ?? null,
      settings.textEncoding ?? null,
      settings.doubleEncoding ?? null,
      settings.incomingUrl ?? null,
      settings.sourceAddress ?? null,
      settings.share ?? null,
      account.points,
    ],
  );
  const created = rows[0];
  return created === undefined ? { kind: 'exists' } : { kind: 'created', account: created };
}

/** Changes the settings that are given, all at once; undefined: there is no such account. */
export async function setAccount(
  db: Database,
  username: string,
  change: Partial<AccountSettings>,
): Promise<AccountRecord | undefined> {
  const rows = await db.query<AccountRecord>(
    {
      name: 'account-admin.set',
      text: `UPDATE accounts a SET
          state = coalesce($2, state),
          api = coalesce($3, api),
          international = coalesce($4, international),
          ip_allow = coalesce($5, ip_allow),
          text_encoding = coalesce($6, text_encoding),
          double_encoding = coalesce($7, double_encoding),
          incoming_url = CASE WHEN $8 THEN $9 ELSE incoming_url END,
          source_address = CASE WHEN $10 THEN $11 ELSE source_address END,
          share = coalesce($12::float8, share),
          version = version + 1
        WHERE username = $1
        RETURNING ${COLUMNS}`,
    },
    [
      username,
      change.state ?? null,
      change.api ?? null,
      change.international ?? null,
      change.ipAllow ?? null,
      change.textEncoding ?? null,
      change.doubleEncoding ?? null,
      change.incomingUrl !== undefined,
      change.incomingUrl ?? null,
      change.sourceAddress !== undefined,
      change.sourceAddress ?? null,
      change.share ?? null,
    ],
  );
  return rows[0];
}

/** False: there is no such account. */
export async function setPasswordHash(db: Database, username: string, passwordHash: string): Promise<boolean> {
  const rows = await db.query(
    {
      name: 'account-admin.password',
      text: 'UPDATE accounts SET password_hash = $2, version = version + 1 WHERE username = $1 RETURNING account_id',
    },
    [username, passwordHash],
  );
  return rows.length === 1;
}

/** Usernames are compared as they are, capitals included. */
export async function showAccount(db: Database, username: string): Promise<AccountRecord | undefined> {
  const rows = await db.query<AccountRecord>(
    { name: 'account-admin.show', text: `SELECT ${COLUMNS} FROM accounts a WHERE a.username = $1` },
    [username],
  );
  return rows[0];
}

/** In the order in which they were made. */
export async function listAccounts(db: Database): Promise<AccountRecord[]> {
  return db.query<AccountRecord>(
    { name: 'account-admin.list', text: `SELECT ${COLUMNS} FROM accounts a ORDER BY a.account_id` },
    [],
  );
}
