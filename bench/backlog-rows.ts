/**
 * A backlog of waiting messages, made by statements of the benchmark's own instead of a million requests: the rows
 * that acceptance would have written (charge, ledger, message, place in the fair order and in the queue), so that every
 * account agrees with its ledger. The tables are then vacuumed and analysed, as they would have been over the hours in
 * which such a backlog grows.
 */
import type { Database, StageConnection } from '../src/store/database.ts';
import { mobileDigits } from './instants.ts';

/** A multiple of what a block of msgids holds. */
const ROWS_AT_ONCE = 50_000;
const BLOCK = 1_000;
const BODY = 'Your code is 123456. It is valid for ten minutes. Do not share it with anybody.';

const TAKE_MSGIDS = {
  name: 'bench-take-msgids',
  text: "SELECT setval('msgid_blocks', last_value + $1::bigint, true) - $1::bigint + $2::bigint AS first FROM msgid_blocks",
};

/** As acceptance writes them, for an account that was given no rank before; $4 is the number of rows before these. */
const ADD_ROWS = {
  name: 'bench-add-backlog',
  text: `
WITH fresh AS (
  SELECT $1::bigint + n AS msgid, $4::bigint + n + 1 AS place, '8869' || ($5::bigint + n) AS mobile
  FROM generate_series(0, $2::int - 1) AS n
), account AS (
  UPDATE accounts SET balance = balance - $2::int WHERE username = $3 RETURNING account_id, share
), noted AS (
  INSERT INTO ledger (account_id, at, kind, points, messages, first_msgid, last_msgid)
  SELECT account_id, now(), 'charge', -$2::int, $2::int, $1::bigint, $1::bigint + $2::int - 1 FROM account
), stored AS (
  INSERT INTO messages (msgid, account_id, accepted_at, due_at, expires_at, scheduled, mobile, body, segments, points, drurl)
  SELECT msgid, account_id, now(), now(), now() + interval '1 day', false, mobile, $6, 1, 1, $7 FROM fresh CROSS JOIN account
), base AS (
  SELECT operator_id, account_id, share, rank FROM operators CROSS JOIN account
), ranked AS (
  INSERT INTO fair_ranks AS f (operator_id, account_id, rank)
  SELECT operator_id, account_id, rank + ($4::bigint + $2::int) / share FROM base
  ON CONFLICT (operator_id, account_id) DO UPDATE SET rank = greatest(f.rank, EXCLUDED.rank)
)
INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, accepted_at, expires_at)
SELECT msgid, operator_id, rank + place / share, account_id, mobile, $6, 1, now(), now() + interval '1 day'
FROM fresh CROSS JOIN base`,
};

/** The vacuum of a million rows on a busy disk. */
const PATIENCE_MS = 300_000;

/** Adds and removes the backlog over a connection of its own, on which a statement may take its time. */
export class BacklogRows {
  readonly #connection: StageConnection;

  constructor(database: Database) {
    this.#connection = database.stage({ queryTimeoutMs: PATIENCE_MS });
  }

  /** Recipients are numbered from `firstRecipient` on, and answered for at `drurl`. The dispatch should rest meanwhile. */
  async add(backlog: {
    username: string;
    messages: number;
    firstRecipient: number;
    drurl: string;
    signal: AbortSignal;
  }): Promise<void> {
    const { username, messages, firstRecipient, drurl, signal } = backlog;
    for (let done = 0; done < messages; done += ROWS_AT_ONCE) {
      signal.throwIfAborted();
      const rows = Math.min(ROWS_AT_ONCE, messages - done);
      const blocks = Math.ceil(rows / BLOCK) * BLOCK;
      const [taken] = await this.#connection.query<{ first: number }>(TAKE_MSGIDS, [blocks, BLOCK]);
      const mobile = Number(mobileDigits(firstRecipient + done));
      await this.#connection.query(ADD_ROWS, [taken?.first ?? 0, rows, username, done, mobile, BODY, drurl]);
    }
  }

  /** Takes every message out of the queue, as if there had been no backlog. Nothing else may be waiting. */
  async drop(): Promise<void> {
    await this.#connection.query({ name: 'bench-drop-backlog', text: 'TRUNCATE queue' }, []);
  }

  /** What autovacuum and the checkpointer would have done by and by, so that it does not fall into the measurement. */
  async settleDown(): Promise<void> {
    await this.#connection.query({ name: 'bench-vacuum', text: 'VACUUM (ANALYZE) queue, messages' }, []);
    await this.#connection.query({ name: 'bench-checkpoint', text: 'CHECKPOINT' }, []);
  }

  async waiting(): Promise<number> {
    const text = 'SELECT count(*)::int AS waiting FROM queue';
    const [row] = await this.#connection.query<{ waiting: number }>({ name: 'bench-waiting', text }, []);
    return row?.waiting ?? 0;
  }
}
