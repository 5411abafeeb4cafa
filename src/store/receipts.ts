/**
 * Matches receipts to segments in in_flight; the statement that finds a segment also settles its message. Receipts that
 * match nothing are in kept-receipts.ts.
 */
import type { Queryable, Statement } from './database.ts';
import { LIVING_EPOCH } from './node-lease.ts';
import { CALLBACK_COLUMNS, type CallbackHolder, NO_CALLBACK, type ReceiptCallback } from './outbox.ts';
import { ORDINAL_OF, SETTLED, type SettledRow, STATE_OF, STATE_ORDINALS, settling } from './settlement.ts';
import { keyed } from './keyed.ts';

/** A final receipt under the id its segment is stored with. */
export interface ArrivedReceipt {
  readonly operatorMessageId: string;
  readonly operatorId: number;
  /** The recipient, when the receipt names one that can be read; it must be the segment's. */
  readonly mobile: string | undefined;
  readonly state: string;
  readonly doneAtMs: number;
  /** The receipt as it came. */
  readonly detail: string;
  /**
   * Whether its operator's undelivered messages are refunded; the statement decides which states count as undelivered.
   */
  readonly refund: boolean;
}

const SEGMENT_COLUMNS = ['s1', 's2', 's3', 's4', 's5'] as const;
/** In long_messages: no receipt came in time. Lower than every state's ordinal, so that a late receipt replaces it. */
const SILENT = 0;
const UNKNOWN_ORDINAL = STATE_ORDINALS.indexOf('UNKNOWN') + 1;
const LAST_UNDECIDED_ORDINAL = STATE_ORDINALS.indexOf('ACCEPTD') + 1;

/**
 * CTEs from `found (msgid, segment, segments, state, done_ms, refund, provisional)` to `verdicts`: a message of one
 * segment ends with it; a long one when the last segment's state is known, with the worst of them, and for as long
 * as one of them is only silent it can be corrected. `refund` says whether its operator's undelivered are refunded.
 */
export const VERDICTS_FROM_SEGMENTS = `
parts AS (
  SELECT msgid, max(done_ms) AS done_ms, bool_or(refund) AS refund,
         ${SEGMENT_COLUMNS.map((column, index) => `max(CASE WHEN provisional THEN ${SILENT} ELSE ${ORDINAL_OF('state')} END) FILTER (WHERE segment = ${index + 1}) AS ${column}`).join(',\n         ')}
  FROM found WHERE segments > 1 GROUP BY msgid
), held_longs AS MATERIALIZED (
  SELECT msgid FROM long_messages WHERE msgid IN (SELECT msgid FROM parts) ORDER BY msgid FOR UPDATE
), longs AS (
  UPDATE long_messages l
  SET ${SEGMENT_COLUMNS.map((column) => `${column} = coalesce(nullif(p.${column}, ${SILENT}), l.${column}, p.${column})`).join(', ')}
  FROM parts p JOIN held_longs USING (msgid) WHERE ${keyed('l.msgid', 'p.msgid')}
  RETURNING l.msgid, num_nonnulls(l.s1, l.s2, l.s3, l.s4, l.s5) >= l.segments AS complete,
            least(l.s1, l.s2, l.s3, l.s4, l.s5) = ${SILENT} AS silent, greatest(l.s1, l.s2, l.s3, l.s4, l.s5) AS worst,
            p.done_ms, p.refund
), verdicts AS (
  SELECT msgid, state, done_ms, refund AND NOT provisional AND state NOT IN ('DELIVRD', 'ACCEPTD') AS refund,
         provisional AS correctable
  FROM found WHERE segments = 1
  UNION ALL
  SELECT msgid, ${STATE_OF(`CASE WHEN silent THEN greatest(worst, ${UNKNOWN_ORDINAL}) ELSE worst END`)}, done_ms,
         refund AND worst > ${LAST_UNDECIDED_ORDINAL}, silent AND worst < ${UNKNOWN_ORDINAL}
  FROM longs WHERE complete
)`;

const SETTLE_RECEIPTS: Statement = {
  name: 'settle-receipts',
  text: `
WITH input AS MATERIALIZED (
  SELECT * FROM unnest($2::text[], $3::smallint[], $4::text[], $5::text[], $6::float8[], $7::text[], $8::boolean[])
  WITH ORDINALITY AS r(operator_message_id, operator_id, mobile, state, done_ms, detail, refund, n)
), found AS (
  DELETE FROM in_flight f USING input i
  WHERE ${keyed('f.operator_message_id', 'i.operator_message_id')} AND f.operator_id = i.operator_id
    AND f.msgid IS NOT NULL AND (i.mobile IS NULL OR i.mobile = f.mobile)
  RETURNING i.n, f.msgid, f.segment, f.segments, f.operator_id, f.operator_message_id, i.state, i.done_ms, i.detail, i.refund,
            false AS provisional
), ${VERDICTS_FROM_SEGMENTS}, ${settling('to_timestamp($1 / 1000.0)', LIVING_EPOCH('$9'), '$10::text[]')}, told_receipts AS (
  INSERT INTO message_events (msgid, at, kind, operator_id, segment, operator_message_id, detail)
  SELECT msgid, to_timestamp($1 / 1000.0), 'receipt', operator_id, segment, operator_message_id, detail FROM found
), settled AS (${SETTLED('to_timestamp($1 / 1000.0)')})
SELECT (SELECT coalesce(json_agg(json_build_array(n, msgid)), '[]') FROM found) AS found,
       (SELECT coalesce(json_agg(json_build_object('state', state, 'count', count, 'latencies_ms', latencies_ms)), '[]') FROM settled) AS settled,
       (SELECT count(*)::int FROM owed WHERE claimed_by IS NULL) AS unclaimed, ${NO_CALLBACK}
UNION ALL
SELECT NULL, NULL, NULL, ${CALLBACK_COLUMNS} FROM owed o WHERE claimed_by IS NOT NULL`,
};

export interface SettledReceipts {
  /** [1-based place in the input, msgid] of each receipt whose segment was found. */
  readonly found: readonly (readonly [number, number])[];
  readonly settled: readonly SettledRow[];
  /** Callbacks that the holder has claimed from the start. */
  readonly claimed: readonly ReceiptCallback[];
  /** How many callbacks wait to be claimed. */
  readonly unclaimed: number;
}

type SummaryRow = Pick<SettledReceipts, 'found' | 'settled' | 'unclaimed'> & { callbackId: null };

/**
 * Settles receipts whose segments wait under exactly these ids; says which those were. The callbacks owed are
 * `holder`'s at once, if there is one and its epoch lives.
 */
export async function settleReceipts(
  db: Queryable,
  nowMs: number,
  receipts: readonly ArrivedReceipt[],
  holder?: CallbackHolder,
): Promise<SettledReceipts> {
  const rows = await db.query<SummaryRow | ReceiptCallback>(SETTLE_RECEIPTS, [
    nowMs,
    receipts.map((r) => r.operatorMessageId),
    receipts.map((r) => r.operatorId),
    receipts.map((r) => r.mobile ?? null),
    receipts.map((r) => r.state),
    receipts.map((r) => r.doneAtMs),
    receipts.map((r) => r.detail),
    receipts.map((r) => r.refund),
    holder?.epoch ?? null,
    holder?.fullHosts ?? [],
  ]);
  const summary = rows.find((row) => row.callbackId === null);
  const claimed = rows.filter((row) => row.callbackId !== null);
  return { found: [], settled: [], unclaimed: 0, ...summary, claimed };
}

const NOTE_PENDING: Statement = {
  name: 'note-pending-receipts',
  text: `
WITH input AS MATERIALIZED (
  SELECT * FROM unnest($2::text[], $3::smallint[], $4::text[], $5::boolean[], $6::text[]) WITH ORDINALITY
  AS r(operator_message_id, operator_id, detail, accepted, mobile, n)
), found AS (
  UPDATE in_flight f SET accepted_seen = f.accepted_seen OR i.accepted
  FROM input i
  WHERE ${keyed('f.operator_message_id', 'i.operator_message_id')} AND f.operator_id = i.operator_id AND f.msgid IS NOT NULL
    AND (i.mobile IS NULL OR i.mobile = f.mobile)
  RETURNING i.n, f.msgid, f.segment, f.operator_id, f.operator_message_id, i.detail
), told AS (
  INSERT INTO message_events (msgid, at, kind, operator_id, segment, operator_message_id, detail)
  SELECT msgid, to_timestamp($1 / 1000.0), 'receipt', operator_id, segment, operator_message_id, detail FROM found
)
SELECT n::int AS n FROM found`,
};

/** Records receipts that end nothing (ACCEPTD, ENROUTE); gives the 1-based places of those whose segment is known. */
export async function notePending(
  db: Queryable,
  nowMs: number,
  receipts: readonly {
    operatorMessageId: string;
    operatorId: number;
    mobile: string | undefined;
    detail: string;
    accepted: boolean;
  }[],
): Promise<number[]> {
  const rows = await db.query<{ n: number }>(NOTE_PENDING, [
    nowMs,
    receipts.map((r) => r.operatorMessageId),
    receipts.map((r) => r.operatorId),
    receipts.map((r) => r.detail),
    receipts.map((r) => r.accepted),
    receipts.map((r) => r.mobile ?? null),
  ]);
  return rows.map((row) => row.n);
}

export interface Candidate {
  /** The 0-based place of the receipt in the question. */
  readonly n: number;
  /** The id under which the segment waits, and its operator. */
  readonly id: string;
  readonly operatorId: number;
  readonly mobile: string;
  readonly submitted_ms: number;
}

const CANDIDATES: Statement = {
  name: 'receipt-candidates',
  text: `
SELECT i.n, f.operator_message_id AS id, f.operator_id AS "operatorId", f.mobile, (extract(epoch FROM f.submitted_at) * 1000)::float8 AS submitted_ms
FROM unnest($1::int[], $2::text[], $3::smallint[]) AS i(n, id, operator_id)
JOIN in_flight f ON ${keyed('f.operator_message_id', 'i.id')} AND f.operator_id = i.operator_id
WHERE f.msgid IS NOT NULL`,
};

/** Segments that wait under any of the forms in which a receipt's id may have been given in the response. */
export function candidatesFor(
  db: Queryable,
  forms: readonly { n: number; id: string; operatorId: number }[],
): Promise<Candidate[]> {
  return db.query<Candidate>(CANDIDATES, [
    forms.map((form) => form.n),
    forms.map((form) => form.id),
    forms.map((form) => form.operatorId),
  ]);
}

const UNKNOWN_CANDIDATES: Statement = {
  name: 'unknown-candidates',
  text: `
SELECT i.n, f.operator_message_id AS id, f.operator_id AS "operatorId", f.mobile, (extract(epoch FROM f.submitted_at) * 1000)::float8 AS submitted_ms
FROM unnest($1::int[], $2::text[], $3::smallint[], $4::int[]) AS i(n, mobile, operator_id, reference)
JOIN in_flight f ON f.mobile = i.mobile AND f.operator_id = i.operator_id AND f.reference = i.reference
WHERE f.outcome_unknown`,
};

/** Segments without an operator's id whose recipient and user_message_reference agree with a receipt. */
export function unknownCandidatesFor(
  db: Queryable,
  keys: readonly { n: number; mobile: string; operatorId: number; reference: number }[],
): Promise<Candidate[]> {
  return db.query<Candidate>(UNKNOWN_CANDIDATES, [
    keys.map((key) => key.n),
    keys.map((key) => key.mobile),
    keys.map((key) => key.operatorId),
    keys.map((key) => key.reference),
  ]);
}

const SETTLE_JOINED: Statement = {
  name: 'settle-joined',
  text: `
WITH found AS (
  DELETE FROM in_flight f USING unnest($2::text[], $3::smallint[], $4::boolean[]) AS i(id, operator_id, refund)
  WHERE ${keyed('f.operator_message_id', 'i.id')} AND f.operator_id = i.operator_id AND f.msgid IS NOT NULL AND f.receipt_state IS NOT NULL
  RETURNING f.msgid, f.segment, f.segments, f.operator_id, f.operator_message_id, f.receipt_state AS state,
    (extract(epoch FROM f.receipt_done_at) * 1000)::float8 AS done_ms, f.receipt_detail AS detail,
    i.refund, false AS provisional
), ${VERDICTS_FROM_SEGMENTS}, ${settling('to_timestamp($1 / 1000.0)')}, told_receipts AS (
  INSERT INTO message_events (msgid, at, kind, operator_id, segment, operator_message_id, detail)
  SELECT msgid, to_timestamp($1 / 1000.0), 'receipt', operator_id, segment, operator_message_id, detail FROM found
)
${SETTLED('to_timestamp($1 / 1000.0)')}`,
};

export interface SegmentKey {
  readonly operatorMessageId: string;
  readonly operatorId: number;
}

/**
 * Settles segments in whose rows response and receipt have met, the receipt first; `refunds` as an operator's setting.
 */
export function settleJoined(
  db: Queryable,
  nowMs: number,
  segments: readonly SegmentKey[],
  refunds: (operatorId: number) => boolean,
): Promise<SettledRow[]> {
  return db.query<SettledRow>(SETTLE_JOINED, [
    nowMs,
    segments.map((s) => s.operatorMessageId),
    segments.map((s) => s.operatorId),
    segments.map((s) => refunds(s.operatorId)),
  ]);
}

const JOINED: Statement = {
  name: 'joined-segments',
  text: `SELECT operator_message_id AS "operatorMessageId", operator_id AS "operatorId" FROM in_flight
         WHERE NOT timed_out AND overdue_at <= to_timestamp($1 / 1000.0) AND msgid IS NOT NULL AND receipt_state IS NOT NULL
         ORDER BY overdue_at LIMIT $2`,
};

/** Segments that have met their receipt but are not settled, because the node died in between. */
export function joinedSegments(db: Queryable, nowMs: number, limit: number): Promise<SegmentKey[]> {
  return db.query<SegmentKey>(JOINED, [nowMs, limit]);
}

const TIME_OUT: Statement = {
  name: 'time-out-segments',
  text: `
WITH picked AS MATERIALIZED (
  SELECT operator_message_id, operator_id FROM in_flight
  WHERE NOT timed_out AND overdue_at <= to_timestamp($1 / 1000.0) AND msgid IS NOT NULL AND receipt_state IS NULL
  ORDER BY overdue_at LIMIT $2 FOR UPDATE SKIP LOCKED
), found AS (
  UPDATE in_flight f SET timed_out = true, overdue_at = to_timestamp($1 / 1000.0) + interval '7 days'
  FROM picked p WHERE ${keyed('f.operator_message_id', 'p.operator_message_id')} AND f.operator_id = p.operator_id
  RETURNING f.msgid, f.segment, f.segments, f.operator_id, f.operator_message_id,
    CASE WHEN f.accepted_seen THEN 'ACCEPTD' ELSE 'UNKNOWN' END AS state, $1::float8 AS done_ms,
    f.operator_id = ANY ($3::smallint[]) AS refund, NOT f.accepted_seen AS provisional
), ${VERDICTS_FROM_SEGMENTS}, ${settling('to_timestamp($1 / 1000.0)')}, told_overdue AS (
  INSERT INTO message_events (msgid, at, kind, operator_id, segment, operator_message_id, detail)
  SELECT msgid, to_timestamp($1 / 1000.0), 'overdue', operator_id, segment, operator_message_id, 'no final receipt by the end of validity and grace'
  FROM found
)
${SETTLED('to_timestamp($1 / 1000.0)')}`,
};

/**
 * Ends segments whose waiting is over: ACCEPTD when that was the operator's last word, else UNKNOWN (spec README point
 * 16). Neither is refunded, but a long message is of which another segment failed, at one of `refundingOperators`.
 */
export function timeOutSegments(
  db: Queryable,
  nowMs: number,
  limit: number,
  refundingOperators: readonly number[],
): Promise<SettledRow[]> {
  return db.query<SettledRow>(TIME_OUT, [nowMs, limit, refundingOperators]);
}

const FORGET_OLD: Statement = {
  name: 'forget-timed-out',
  text: `WITH old AS (DELETE FROM in_flight WHERE timed_out AND overdue_at <= to_timestamp($1 / 1000.0) RETURNING 1)
         DELETE FROM long_messages WHERE submitted_at <= to_timestamp($1 / 1000.0) - interval '10 days'`,
};

/** Deletes rows that were kept for a correction only, after a week without one. */
export async function forgetTimedOut(db: Queryable, nowMs: number): Promise<void> {
  await db.query(FORGET_OLD, [nowMs]);
}
