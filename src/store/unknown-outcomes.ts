/**
 * Decides about messages when it is unknown whether an operator took them, and no node waits for the answer any more:
 * they are sent once more, or wait for a receipt until validity plus grace (design, promise 4). Each is decided and
 * written in one statement.
 */
import type { Queryable, Statement } from './database.ts';
import { keyed } from './keyed.ts';

const LIVING = 'EXISTS (SELECT FROM nodes WHERE epoch = $1 AND deadline > clock_timestamp())';
const NOW = 'to_timestamp($2 / 1000.0)';

const RESEND_CLAIMS: Statement = {
  name: 'resend-claims-of',
  text: `
WITH picked AS MATERIALIZED (
  SELECT q.msgid, q.operator_id FROM queue q LEFT JOIN operators o ON o.operator_id = q.operator_id
  WHERE q.claimed_by = ANY ($4::int[]) AND q.resends < $5 AND coalesce(o.settings->>'unknownPolicy', 'resend') = 'resend' AND ${LIVING}
  LIMIT $3
  FOR UPDATE OF q SKIP LOCKED
), freed AS (
  UPDATE queue q SET claimed_by = NULL, resends = q.resends + 1 FROM picked p WHERE ${keyed('q.msgid', 'p.msgid')}
)
INSERT INTO message_events (msgid, at, kind, operator_id, detail)
SELECT msgid, ${NOW}, 'outcome-unknown', operator_id, 'the node that had claimed it died; will be sent once more' FROM picked
RETURNING msgid`,
};

export interface DeadClaims {
  /** The caller's; nothing happens once it is not valid any more. */
  readonly epoch: number;
  readonly dead: readonly number[];
  readonly maxResends: number;
  readonly nowMs: number;
  readonly limit: number;
}

/** Gives back to the queue what dead epochs had claimed and may be sent once more; says how many. */
export async function resendClaimsOf(db: Queryable, claims: DeadClaims): Promise<number> {
  const { epoch, nowMs, limit, dead, maxResends } = claims;
  return (await db.query(RESEND_CLAIMS, [epoch, nowMs, limit, dead, maxResends])).length;
}

/** CTEs after `picked (msgid)` that move messages from the queue to where receipts are waited for. */
const HOLDING = ({ now, graceMs, detail }: { now: string; graceMs: string; detail: string }) => `gone AS (
  DELETE FROM queue q USING picked p WHERE ${keyed('q.msgid', 'p.msgid')}
  RETURNING q.msgid, q.operator_id, q.mobile, q.segments, q.sent_mask, q.expires_at
), missing AS MATERIALIZED (
  SELECT gone.*, segment FROM gone CROSS JOIN generate_series(1, 5) AS segment
  WHERE segment <= segments AND sent_mask & (1 << (segment - 1)) = 0
), long AS (
  INSERT INTO long_messages (msgid, segments, submitted_at) SELECT msgid, segments, ${now} FROM gone WHERE segments > 1
  ON CONFLICT (msgid) DO NOTHING
), flights AS (
  INSERT INTO in_flight (operator_message_id, operator_id, msgid, segment, segments, mobile, reference, outcome_unknown,
    submitted_at, overdue_at)
  SELECT '?' || msgid || '/' || segment, operator_id, msgid, segment, segments, mobile, (msgid * 8 + segment) % 65536, true, ${now},
    expires_at + ${graceMs} * interval '1 millisecond'
  FROM missing
  ON CONFLICT DO NOTHING
), told AS (
  INSERT INTO message_events (msgid, at, kind, operator_id, segment, detail)
  SELECT msgid, ${now}, 'outcome-unknown', operator_id, segment, '${detail}; waits for a receipt' FROM missing
)
SELECT msgid FROM gone`;

const HOLD_CLAIMS: Statement = {
  name: 'hold-claims-of',
  text: `
WITH picked AS MATERIALIZED (
  SELECT q.msgid FROM queue q LEFT JOIN operators o ON o.operator_id = q.operator_id
  WHERE q.claimed_by = ANY ($4::int[]) AND (q.resends >= $6 OR coalesce(o.settings->>'unknownPolicy', 'resend') <> 'resend') AND ${LIVING}
  LIMIT $3
  FOR UPDATE OF q SKIP LOCKED
), ${HOLDING({ now: NOW, graceMs: '$5', detail: 'the node that had claimed it died' })}`,
};

/** Lets what dead epochs had claimed and may not be sent again wait for its receipts; says how many messages. */
export async function holdClaimsOf(db: Queryable, claims: DeadClaims & { readonly graceMs: number }): Promise<number> {
  const { epoch, nowMs, limit, dead, maxResends, graceMs } = claims;
  return (await db.query(HOLD_CLAIMS, [epoch, nowMs, limit, dead, graceMs, maxResends])).length;
}

/** SQL: the last part of the message was submitted once, without an outcome, and the operator may have it whole. */
export const MAY_BE_WHOLE = 'resends > 0 AND bit_count(sent_mask::int::bit(16)) = segments - 1';

const HOLD_EXPIRED: Statement = {
  name: 'hold-expired',
  text: `
WITH picked AS MATERIALIZED (
  SELECT msgid FROM queue
  WHERE msgid = ANY ($2::bigint[]) AND expires_at <= to_timestamp($1 / 1000.0) AND claimed_by IS NULL AND ${MAY_BE_WHOLE}
  FOR UPDATE SKIP LOCKED
), ${HOLDING({ now: 'to_timestamp($1 / 1000.0)', graceMs: '$3', detail: 'its validity ended before it could be sent once more' })}`,
};

/**
 * Lets those of these messages that expired in the queue, and may have arrived all the same, wait for their receipts.
 */
export async function holdExpired(
  db: Queryable,
  nowMs: number,
  msgids: readonly number[],
  graceMs: number,
): Promise<void> {
  await db.query(HOLD_EXPIRED, [nowMs, msgids, graceMs]);
}

const HOLD_UNRECORDED: Statement = {
  name: 'hold-unrecorded',
  text: `
WITH picked AS MATERIALIZED (
  SELECT msgid FROM queue WHERE msgid = $2 AND claimed_by = $4 FOR UPDATE
), ${HOLDING({ now: 'to_timestamp($1 / 1000.0)', graceMs: '$3', detail: 'the database refused the outcome of its submit' })}`,
};

/** Lets a claimed message wait for its receipts whose outcome can't be written down. */
export async function holdUnrecorded(
  db: Queryable,
  nowMs: number,
  claimed: { msgid: number; epoch: number; graceMs: number },
): Promise<void> {
  await db.query(HOLD_UNRECORDED, [nowMs, claimed.msgid, claimed.graceMs, claimed.epoch]);
}
