/**
 * Receipts that match no segment: kept in in_flight under the id they name, where a response that comes later finds
 * them, and tried again. If that id belongs to a segment or receipt of another recipient, the receipt gets a key of its
 * own.
 */
import type { Queryable, Statement } from './database.ts';
import { keyed } from './keyed.ts';

export interface KeptReceipt {
  readonly operatorMessageId: string;
  readonly operatorId: number;
  readonly mobile: string | undefined;
  readonly reference: number | undefined;
  readonly state: string;
  readonly doneAtMs: number;
  readonly detail: string;
  readonly retryAtMs: number;
}

/** The key aside: the recipient is part of it. `ID_OF` reads the operator's id from either form of key. */
const ASIDE = (mobile: string, id: string) => `'!' || ${mobile} || '/' || ${id}`;
const ID_OF = (key: string) =>
  `CASE WHEN ${key} LIKE '!%' THEN substring(${key} FROM position('/' IN ${key}) + 1) ELSE ${key} END`;

const KEEP: Statement = {
  name: 'keep-receipts',
  text: `
WITH given AS MATERIALIZED (
  SELECT DISTINCT ON (operator_message_id, operator_id, mobile) *
  FROM unnest($2::text[], $3::smallint[], $4::text[], $5::int[], $6::text[], $7::float8[], $8::text[], $9::float8[]) WITH ORDINALITY
  AS r(operator_message_id, operator_id, mobile, reference, state, done_ms, detail, retry_ms, n)
  ORDER BY operator_message_id, operator_id, mobile, (state = 'ACCEPTD'), n
), placed AS MATERIALIZED (
  SELECT g.*, row_number() OVER (PARTITION BY g.operator_message_id, g.operator_id ORDER BY g.n) > 1
              OR (g.mobile <> '' AND f.mobile NOT IN ('', g.mobile)) IS TRUE AS aside
  FROM given g LEFT JOIN in_flight f ON ${keyed('f.operator_message_id', 'g.operator_message_id')} AND f.operator_id = g.operator_id
)
INSERT INTO in_flight AS f (operator_message_id, operator_id, mobile, reference, overdue_at, receipt_state, receipt_done_at,
  receipt_detail, received_at)
SELECT CASE WHEN aside THEN ${ASIDE('mobile', 'operator_message_id')} ELSE operator_message_id END, operator_id, mobile, reference,
  to_timestamp(retry_ms / 1000.0), state, to_timestamp(done_ms / 1000.0), detail, to_timestamp($1 / 1000.0)
FROM placed
ORDER BY 1, 2
ON CONFLICT (operator_message_id, operator_id) DO UPDATE
SET accepted_seen = f.accepted_seen OR EXCLUDED.receipt_state = 'ACCEPTD',
    receipt_state = CASE WHEN f.msgid IS NOT NULL AND EXCLUDED.receipt_state = 'ACCEPTD' THEN f.receipt_state ELSE EXCLUDED.receipt_state END,
    receipt_done_at = EXCLUDED.receipt_done_at,
    receipt_detail = EXCLUDED.receipt_detail,
    overdue_at = CASE WHEN f.msgid IS NOT NULL AND EXCLUDED.receipt_state = 'ACCEPTD' THEN f.overdue_at ELSE EXCLUDED.overdue_at END
WHERE (f.receipt_state IS NULL OR f.receipt_state = 'ACCEPTD') AND (EXCLUDED.mobile = '' OR f.mobile IN ('', EXCLUDED.mobile))`,
};

/**
 * Keeps receipts whose segment is not known (yet). When the segment's row has come in the meantime, the receipt
 * joins it and is settled by the next sweep.
 */
export async function keepReceipts(db: Queryable, nowMs: number, receipts: readonly KeptReceipt[]): Promise<void> {
  await db.query(KEEP, [
    nowMs,
    receipts.map((r) => r.operatorMessageId),
    receipts.map((r) => r.operatorId),
    receipts.map((r) => r.mobile ?? ''),
    receipts.map((r) => r.reference ?? null),
    receipts.map((r) => r.state),
    receipts.map((r) => r.doneAtMs),
    receipts.map((r) => r.detail),
    receipts.map((r) => r.retryAtMs),
  ]);
}

const SET_ASIDE: Statement = {
  name: 'set-receipts-aside',
  text: `
WITH gone AS (
  DELETE FROM in_flight f USING unnest($1::text[], $2::smallint[], $3::text[]) AS i(id, operator_id, mobile)
  WHERE ${keyed('f.operator_message_id', 'i.id')} AND f.operator_id = i.operator_id AND f.msgid IS NULL AND f.mobile NOT IN ('', i.mobile)
  RETURNING f.*
)
INSERT INTO in_flight (operator_message_id, operator_id, mobile, reference, overdue_at, receipt_state, receipt_done_at,
  receipt_detail, receipt_attempts, received_at)
SELECT ${ASIDE('mobile', 'operator_message_id')}, operator_id, mobile, reference, overdue_at, receipt_state, receipt_done_at,
  receipt_detail, receipt_attempts, received_at
FROM gone
ON CONFLICT DO NOTHING`,
};

/** Moves kept receipts for other recipients out of the way of segments that got the same ids. */
export async function setReceiptsAside(
  db: Queryable,
  segments: readonly { operatorMessageId: string | undefined; operatorId: number; mobile: string }[],
): Promise<void> {
  await db.query(SET_ASIDE, [
    segments.map((s) => s.operatorMessageId ?? null),
    segments.map((s) => s.operatorId),
    segments.map((s) => s.mobile),
  ]);
}

const DUE_KEPT: Statement = {
  name: 'due-kept-receipts',
  text: `
WITH picked AS MATERIALIZED (
  SELECT operator_message_id, operator_id FROM in_flight
  WHERE NOT timed_out AND overdue_at <= to_timestamp($1 / 1000.0) AND msgid IS NULL
  ORDER BY overdue_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE in_flight f
SET receipt_attempts = receipt_attempts + 1,
    overdue_at = to_timestamp($1 / 1000.0) + least(power(2, least(receipt_attempts, 10)), 600) * interval '1 second'
FROM picked p WHERE ${keyed('f.operator_message_id', 'p.operator_message_id')} AND f.operator_id = p.operator_id
RETURNING f.operator_message_id AS key, ${ID_OF('f.operator_message_id')} AS id, f.operator_id, nullif(f.mobile, '') AS mobile,
  f.reference, f.receipt_state AS state, (extract(epoch FROM f.receipt_done_at) * 1000)::float8 AS done_ms,
  f.receipt_detail AS detail, (extract(epoch FROM f.received_at) * 1000)::float8 AS received_ms`,
};

export interface DueKeptReceipt {
  /** Under which it is kept. */
  key: string;
  id: string;
  operator_id: number;
  mobile: string | null;
  reference: number | null;
  state: string;
  done_ms: number;
  detail: string;
  received_ms: number;
}

/** Gives kept receipts whose next try is due, and schedules the one after that, in a second to ten minutes. */
export function dueKeptReceipts(db: Queryable, nowMs: number, limit: number): Promise<DueKeptReceipt[]> {
  return db.query<DueKeptReceipt>(DUE_KEPT, [nowMs, limit]);
}

const STILL_KEPT: Statement = {
  name: 'still-kept-receipt',
  text: `SELECT 1 FROM in_flight
         WHERE operator_message_id IN ($1, ${ASIDE('$3::text', '$1::text')}) AND operator_id = $2 AND mobile IN ('', $3) AND msgid IS NULL`,
};

/** Whether a kept receipt still has no segment. */
export async function isStillKept(
  db: Queryable,
  receipt: { id: string; operatorId: number; mobile: string },
): Promise<boolean> {
  return (await db.query(STILL_KEPT, [receipt.id, receipt.operatorId, receipt.mobile])).length > 0;
}

const FORGET_KEPT: Statement = {
  name: 'forget-kept-receipts',
  text: `DELETE FROM in_flight f USING unnest($1::text[], $2::smallint[]) AS i(id, operator_id)
         WHERE ${keyed('f.operator_message_id', 'i.id')} AND f.operator_id = i.operator_id AND f.msgid IS NULL`,
};

/** Drops kept receipts: settled now under their segment's id, or too old to belong to anything. */
export async function forgetKept(db: Queryable, receipts: readonly DueKeptReceipt[]): Promise<void> {
  await db.query(FORGET_KEPT, [receipts.map((r) => r.key), receipts.map((r) => r.operator_id)]);
}
