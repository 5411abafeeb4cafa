/**
 * The movements of points: top-ups and corrections are made here, charges and refunds only read. A balance is
 * never changed without its row in the ledger, in one statement, and never falls below zero.
 */
import type { Database, Statement } from './database.ts';

export type LedgerKind = 'topup' | 'charge' | 'refund' | 'correction';

export interface StatementEntry {
  entryId: number;
  atMs: number;
  kind: LedgerKind;
  /** Negative when points left the account. */
  points: number;
  /** The balance when this movement was done. */
  balance: number;
  /** How many messages a charge or a refund stands for. */
  messages: number;
  firstMsgid: number | null;
  lastMsgid: number | null;
  note: string | null;
}

export interface ChargedMessage {
  entryId: number;
  msgid: number;
  acceptedAtMs: number;
  mobile: string;
  segments: number;
  points: number;
  refunded: number;
  state: string | null;
}

export type MovedPoints =
  | { kind: 'moved'; entryId: number; balance: number }
  | { kind: 'unknown-account' }
  | { kind: 'below-zero'; balance: number };

/** Adds points (`topup`), or sets right what was wrong (`correction`, negative as well). */
export async function movePoints(
  db: Database,
  movement: { username: string; kind: 'topup' | 'correction'; points: number; note: string | null },
): Promise<MovedPoints> {
  const rows = await db.query<{ entryId: number; balance: number }>(
    {
      name: 'ledger.move',
      text: `WITH a AS (
          UPDATE accounts SET balance = balance + $2 WHERE username = $1 AND balance + $2 >= 0
          RETURNING account_id, balance
        ), entry AS (
          INSERT INTO ledger (account_id, at, kind, points, note)
          SELECT a.account_id, now() + c.offset_ms * interval '1 millisecond', $3, $2, $4
          FROM a CROSS JOIN clock_shift c
          RETURNING entry_id
        )
        SELECT entry.entry_id::float8 AS "entryId", a.balance::float8 AS balance FROM a CROSS JOIN entry`,
    },
    [movement.username, movement.points, movement.kind, movement.note],
  );
  if (rows[0] !== undefined) return { kind: 'moved', ...rows[0] };
  const found = await db.query<{ balance: number }>(
    { name: 'ledger.balance', text: 'SELECT balance::float8 AS balance FROM accounts WHERE username = $1' },
    [movement.username],
  );
  return found[0] === undefined ? { kind: 'unknown-account' } : { kind: 'below-zero', balance: found[0].balance };
}

/**
 * An account's movements, newest first, at most `limit`, older than the entry `before` when that is given.
 * Balances are counted back from the present one, so a page costs no more than itself.
 */
export async function readStatement(
  db: Database,
  page: { accountId: number; limit: number; before: number | null },
): Promise<StatementEntry[]> {
  return db.query<StatementEntry>(
    {
      name: 'ledger.statement',
      text: `SELECT s.* FROM (
          SELECT l.entry_id::float8 AS "entryId", (extract(epoch FROM l.at) * 1000)::float8 AS "atMs", l.kind,
            l.points::float8 AS points,
            (a.balance - coalesce(sum(l.points) OVER (ORDER BY l.entry_id DESC
              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))::float8 AS balance,
            l.messages, l.first_msgid::float8 AS "firstMsgid", l.last_msgid::float8 AS "lastMsgid", l.note
          FROM accounts a JOIN ledger l USING (account_id)
          WHERE a.account_id = $1
        ) s
        WHERE $3::float8 IS NULL OR s."entryId" < $3
        ORDER BY s."entryId" DESC
        LIMIT $2`,
    },
    [page.accountId, page.limit, page.before],
  );
}

/** Messages and calls alike, as far as points go. A call has one segment and the state of its end. */
const CHARGED = `
  SELECT msgid, account_id, accepted_at, mobile, segments, points, refunded, state FROM messages
  UNION ALL
  SELECT msgid, account_id, accepted_at, phone, 1::smallint, points, refunded, state FROM calls`;

/**
 * The messages and calls that charge rows stand for, at most `limit`, in the order of rows and msgids. Ranges of msgids
 * may overlap when two nodes accept; the instant, which a batch shares with its messages, tells them apart.
 */
export async function readChargedMessages(
  db: Database,
  entries: { entryIds: readonly number[]; limit: number },
): Promise<ChargedMessage[]> {
  return db.query<ChargedMessage>(
    {
      name: 'ledger.charged-messages',
      text: `SELECT l.entry_id::float8 AS "entryId", m.msgid::float8 AS msgid,
          (extract(epoch FROM m.accepted_at) * 1000)::float8 AS "acceptedAtMs",
          m.mobile, m.segments, m.points, m.refunded, m.state
        FROM ledger l
        JOIN (${CHARGED}) m ON m.account_id = l.account_id AND m.msgid BETWEEN l.first_msgid AND l.last_msgid
          AND m.accepted_at = l.at
        WHERE l.entry_id = ANY ($1::bigint[]) AND l.kind = 'charge'
        ORDER BY l.entry_id DESC, m.msgid
        LIMIT $2`,
    },
    [entries.entryIds, entries.limit],
  );
}

/** An account's balance against all its movements. */
export interface BalanceMismatch {
  check: 'balance';
  accountId: number;
  username: string | null;
  ledger: number;
  balance: number;
}

/** Charges of one account at one instant against the messages stored with them. */
export interface ChargeMismatch {
  check: 'charges';
  accountId: number;
  username: string | null;
  atMs: number;
  /** Of the first charge row, null when there is none. */
  entryId: number | null;
  ledger: number;
  messages: number;
}

/** An account's refunds against what its messages say was given back. */
export interface RefundMismatch {
  check: 'refunds';
  accountId: number;
  username: string | null;
  ledger: number;
  messages: number;
}

export type LedgerMismatch = BalanceMismatch | ChargeMismatch | RefundMismatch;

export interface LedgerReport {
  accounts: number;
  mismatches: LedgerMismatch[];
}

/** Longer lists help nobody; the first ones show what is wrong. */
const MAX_MISMATCHES_PER_CHECK = 1_000;
const CHECK_TIMEOUT_MS = 600_000;

/**
 * Audits every account in one snapshot, beside a running platform: balance = all movements; every charge = the
 * points of its messages (they carry the instant of their batch); refunds = what the messages say. Messages whose
 * partition was dropped after their retention can't be compared any more; their movements still count in the balance.
 */
export async function checkLedger(db: Database): Promise<LedgerReport> {
  return db.transaction(async (tx) => {
    await tx.query({ name: 'ledger.snapshot', text: 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY' }, []);
    await tx.query({ name: 'ledger.patience', text: `SET LOCAL statement_timeout = ${CHECK_TIMEOUT_MS}` }, []);
    const counted = await tx.query<{ accounts: number }>(
      { name: 'ledger.count-accounts', text: 'SELECT count(*)::int AS accounts FROM accounts' },
      [],
    );
    const balances = await tx.query<BalanceMismatch>(CHECK_BALANCES, [MAX_MISMATCHES_PER_CHECK]);
    const charges = await tx.query<ChargeMismatch>(CHECK_CHARGES, [MAX_MISMATCHES_PER_CHECK]);
    const refunds = await tx.query<RefundMismatch>(CHECK_REFUNDS, [MAX_MISMATCHES_PER_CHECK]);
    return { accounts: counted[0]?.accounts ?? 0, mismatches: [...balances, ...charges, ...refunds] };
  });
}

const CHECK_BALANCES: Statement = {
  name: 'ledger.check-balances',
  text: `SELECT 'balance' AS check, account_id AS "accountId", a.username,
      coalesce(l.points, 0)::float8 AS ledger, coalesce(a.balance, 0)::float8 AS balance
    FROM accounts a
    FULL JOIN (SELECT account_id, sum(points) AS points FROM ledger GROUP BY account_id) l USING (account_id)
    WHERE coalesce(a.balance, 0) <> coalesce(l.points, 0) OR a.account_id IS NULL
    ORDER BY account_id
    LIMIT $1`,
};

/** The msgids of the partitions that are still there, as PostgreSQL itself writes their bounds. */
const KEPT_MSGIDS = `kept AS MATERIALIZED (
    SELECT bounds[1]::bigint AS first, bounds[2]::bigint AS past
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(\\d+)''\\) TO \\(''(\\d+)''\\)') AS bounds
    WHERE i.inhparent = 'messages'::regclass
  )`;

const CHECK_CHARGES: Statement = {
  name: 'ledger.check-charges',
  text: `WITH ${KEPT_MSGIDS}, charged AS (
      SELECT l.account_id, l.at, min(l.entry_id) AS entry_id, -sum(l.points) AS points, sum(l.messages) AS messages,
        bool_and(EXISTS (SELECT FROM kept k WHERE l.first_msgid >= k.first AND l.first_msgid < k.past)
          AND EXISTS (SELECT FROM kept k WHERE l.last_msgid >= k.first AND l.last_msgid < k.past)) AS comparable
      FROM ledger l WHERE l.kind = 'charge'
      GROUP BY l.account_id, l.at
    ), stored AS (
      SELECT account_id, accepted_at AS at, sum(points) AS points, count(*) AS messages
      FROM (${CHARGED}) m GROUP BY account_id, accepted_at
    )
    SELECT 'charges' AS check, account_id AS "accountId", a.username, (extract(epoch FROM at) * 1000)::float8 AS "atMs",
      c.entry_id::float8 AS "entryId", coalesce(c.points, 0)::float8 AS ledger, coalesce(s.points, 0)::float8 AS messages
    FROM charged c
    FULL JOIN stored s USING (account_id, at)
    LEFT JOIN accounts a USING (account_id)
    WHERE coalesce(c.comparable, true)
      AND (coalesce(c.points, 0) <> coalesce(s.points, 0) OR coalesce(c.messages, 0) <> coalesce(s.messages, 0))
    ORDER BY account_id, at
    LIMIT $1`,
};

const CHECK_REFUNDS: Statement = {
  name: 'ledger.check-refunds',
  text: `WITH ${KEPT_MSGIDS}, given AS (
      SELECT l.account_id, sum(l.points) AS points
      FROM ledger l
      WHERE l.kind = 'refund'
        AND EXISTS (SELECT FROM kept k WHERE l.first_msgid >= k.first AND l.first_msgid < k.past)
      GROUP BY l.account_id
    ), stored AS (
      SELECT account_id, sum(refunded) AS points FROM (${CHARGED}) m GROUP BY account_id
    )
    SELECT 'refunds' AS check, account_id AS "accountId", a.username,
      coalesce(g.points, 0)::float8 AS ledger, coalesce(s.points, 0)::float8 AS messages
    FROM given g
    FULL JOIN stored s USING (account_id)
    LEFT JOIN accounts a USING (account_id)
    WHERE coalesce(g.points, 0) <> coalesce(s.points, 0)
    ORDER BY account_id
    LIMIT $1`,
};
