/**
 * What a submit_sm_resp changes when it comes after its submit was given up as unknown: a segment that waits without an
 * operator's id gets one, and a message that was to be sent once more is not. Nothing here touches a claimed row.
 */
import type { Queryable, Statement } from './database.ts';
import { VERDICTS_FROM_SEGMENTS } from './receipts.ts';
import { SETTLED, type SettledRow, settling } from './settlement.ts';
import { unknownId } from './submissions.ts';
import { keyed } from './keyed.ts';

/** A segment whose submit had no outcome in time, as the node that submitted it knows it. */
export interface LateSegment {
  readonly msgid: number;
  readonly segment: number;
  readonly operatorId: number;
}

/** What is stored of such a segment. */
export interface StoredSegment {
  readonly msgid: number;
  readonly segment: number;
  readonly segments: number;
  readonly mobile: string;
  /** When waiting for its receipt ends; of a message in the queue, when its validity ends. */
  readonly untilMs: number;
}

const keysOf = (late: readonly LateSegment[]): [string[], number[]] => [
  late.map(({ msgid, segment }) => unknownId(msgid, segment)),
  late.map(({ operatorId }) => operatorId),
];

// Segments that timed out, or for which a receipt was seen, were found by their reference and need no id. `coalesce`
// stops the planner from reading the partial index of segments that have not timed out, which holds nearly all, instead
// of looking up.
const WAITS_WITHOUT_ID = `${keyed('f.operator_message_id', 'i.id')} AND f.operator_id = i.operator_id AND f.msgid IS NOT NULL AND NOT coalesce(f.timed_out, false) AND NOT f.accepted_seen`;

const TAKEN_OUT = `
  DELETE FROM in_flight f USING unnest($1::text[], $2::smallint[]) AS i(id, operator_id)
  WHERE ${WAITS_WITHOUT_ID}`;

const TAKE_WAITING: Statement = {
  name: 'take-waiting-unknown',
  text: `${TAKEN_OUT}
  RETURNING f.msgid, f.segment, f.segments, f.mobile,
    (extract(epoch FROM f.overdue_at) * 1000)::float8 AS "untilMs"`,
};

/**
 * Removes segments that wait without an id from in_flight; in the same transaction the caller puts them back under one.
 */
export function takeWaiting(tx: Queryable, late: readonly LateSegment[]): Promise<StoredSegment[]> {
  return tx.query<StoredSegment>(TAKE_WAITING, keysOf(late));
}

const MARK_TAKEN = (table: 'queue' | 'deferred', unclaimed: string): Statement => ({
  name: `mark-taken-${table}`,
  text: `
UPDATE ${table} q SET sent_mask = q.sent_mask | (1 << (i.segment - 1)), operator_id = i.operator_id
FROM unnest($1::bigint[], $2::smallint[], $3::smallint[]) AS i(msgid, segment, operator_id)
WHERE ${keyed('q.msgid', 'i.msgid')} AND q.resends > 0 AND q.sent_mask & (1 << (i.segment - 1)) = 0${unclaimed}
RETURNING q.msgid, i.segment, q.segments, q.mobile,
  (extract(epoch FROM q.expires_at) * 1000)::float8 AS "untilMs", bit_count(q.sent_mask::int::bit(16)) = q.segments AS whole`,
});
const MARK_TAKEN_IN_QUEUE = MARK_TAKEN('queue', ' AND q.claimed_by IS NULL');
const MARK_TAKEN_DEFERRED = MARK_TAKEN('deferred', '');
const FORGET_DEFERRED: Statement = {
  name: 'forget-whole-deferred',
  text: 'DELETE FROM deferred WHERE msgid = ANY ($1::bigint[])',
};

/**
 * Marks segments as taken that were about to be sent once more, of messages that nobody has claimed; `whole` when
 * nothing of the message is left to send. The caller records the segments in the same transaction, which removes the
 * row of a whole one.
 */
export async function markTaken(
  tx: Queryable,
  late: readonly LateSegment[],
): Promise<(StoredSegment & { whole: boolean })[]> {
  const parameters = [
    late.map(({ msgid }) => msgid),
    late.map(({ segment }) => segment),
    late.map(({ operatorId }) => operatorId),
  ];
  const queued = await tx.query<StoredSegment & { whole: boolean }>(MARK_TAKEN_IN_QUEUE, parameters);
  const deferred = await tx.query<StoredSegment & { whole: boolean }>(MARK_TAKEN_DEFERRED, parameters);
  const whole = deferred.filter((row) => row.whole).map(({ msgid }) => msgid);
  if (whole.length > 0) await tx.query(FORGET_DEFERRED, [whole]);
  return [...queued, ...deferred];
}

const COUNT_BACK = (table: 'queue' | 'deferred', unclaimed: string): Statement => ({
  name: `count-resend-back-${table}`,
  text: `UPDATE ${table} q SET resends = q.resends - 1 FROM unnest($1::bigint[], $2::smallint[]) AS i(msgid, segment)
         WHERE ${keyed('q.msgid', 'i.msgid')} AND q.resends > 0 AND q.sent_mask & (1 << (i.segment - 1)) = 0${unclaimed}
         RETURNING q.msgid`,
});
const COUNT_BACK_IN_QUEUE = COUNT_BACK('queue', ' AND q.claimed_by IS NULL');
const COUNT_BACK_DEFERRED = COUNT_BACK('deferred', '');

/**
 * Notes that the earlier submits of these messages were refused, so that the next ones count as the first. Gives their
 * msgids.
 */
export async function countResendBack(tx: Queryable, late: readonly LateSegment[]): Promise<number[]> {
  const parameters = [late.map(({ msgid }) => msgid), late.map(({ segment }) => segment)];
  const queued = await tx.query<{ msgid: number }>(COUNT_BACK_IN_QUEUE, parameters);
  const deferred = await tx.query<{ msgid: number }>(COUNT_BACK_DEFERRED, parameters);
  return [...queued, ...deferred].map(({ msgid }) => msgid);
}

const IN_QUEUE: Statement = {
  name: 'late-in-queue',
  text: `SELECT msgid FROM queue WHERE msgid = ANY ($1::bigint[])
         UNION ALL SELECT msgid FROM deferred WHERE msgid = ANY ($1::bigint[])`,
};

/**
 * Of these messages, those that are in the queue (claimed, as a rule, and their outcome is still to come) or have been
 * put off since they were looked for.
 */
export async function stillQueued(tx: Queryable, msgids: readonly number[]): Promise<ReadonlySet<number>> {
  return new Set((await tx.query<{ msgid: number }>(IN_QUEUE, [msgids])).map(({ msgid }) => msgid));
}

export interface LateRefusal extends LateSegment {
  /** The final state that the command_status stands for. */
  readonly state: string;
  readonly status: number;
  readonly link: string;
  readonly sequence: number;
}

const END_REFUSED: Statement = {
  name: 'end-refused-late',
  text: `
WITH refused AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::smallint[], $4::text[], $5::bigint[], $6::text[], $7::bigint[])
  AS r(id, operator_id, state, status, link, sequence)
), gone AS (
  ${TAKEN_OUT}
  RETURNING f.msgid, f.segment, f.segments, f.operator_id, f.operator_message_id
), found AS (
  SELECT g.*, r.state, r.status, r.link, r.sequence, $3::float8 AS done_ms, g.segments = 1 AS refund, false AS provisional
  FROM gone g JOIN refused r ON r.id = g.operator_message_id AND r.operator_id = g.operator_id
), ${VERDICTS_FROM_SEGMENTS}, ${settling('to_timestamp($3 / 1000.0)')}, told_refused AS (
  INSERT INTO message_events (msgid, at, kind, operator_id, segment, link, sequence, status, detail)
  SELECT msgid, to_timestamp($3 / 1000.0), 'refused', operator_id, segment, link, sequence, status, 'after its time' FROM found
), settled AS (${SETTLED('to_timestamp($3 / 1000.0)')})
SELECT (SELECT coalesce(array_agg(msgid::float8), '{}') FROM found) AS msgids,
       (SELECT coalesce(json_agg(json_build_object('state', state, 'count', count, 'latencies_ms', latencies_ms)), '[]') FROM settled) AS settled`,
};

/**
 * Ends segments that wait for a receipt and whose only submit was refused for good after all. Refunded where nothing of
 * the message was taken, which only a message of one segment is known for.
 */
export async function endRefusedLate(
  tx: Queryable,
  nowMs: number,
  refusals: readonly LateRefusal[],
): Promise<{ msgids: readonly number[]; settled: readonly SettledRow[] }> {
  const [row] = await tx.query<{ msgids: number[]; settled: SettledRow[] }>(END_REFUSED, [
    ...keysOf(refusals),
    nowMs,
    refusals.map(({ state }) => state),
    refusals.map(({ status }) => status),
    refusals.map(({ link }) => link),
    refusals.map(({ sequence }) => sequence),
  ]);
  return row ?? { msgids: [], settled: [] };
}

const PUT_OFF_REFUSED: Statement = {
  name: 'put-off-refused-late',
  text: `
WITH refused AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::smallint[], $4::text[]) AS r(id, operator_id, source_address)
), gone AS (
  ${TAKEN_OUT} AND f.segments = 1
  RETURNING f.msgid, f.operator_id, f.operator_message_id
)
INSERT INTO deferred (msgid, due_at, why, operator_id, account_id, mobile, body, segments, source_address, accepted_at, expires_at, attempts)
SELECT m.msgid, least(to_timestamp($3 / 1000.0), m.expires_at), 'retry', g.operator_id, m.account_id, m.mobile, m.body, m.segments,
  r.source_address, m.accepted_at, m.expires_at, 1
FROM gone g JOIN refused r ON r.id = g.operator_message_id AND r.operator_id = g.operator_id
JOIN messages m ON m.msgid = g.msgid AND m.state IS NULL
RETURNING msgid`,
};

/** A submit that was refused for now, with what it takes to repeat it. */
export interface LateRetry extends LateSegment {
  readonly sourceAddress: string | undefined;
  /** Under which the segments of a long message are put together. */
  readonly concatenationReference: number | undefined;
}

/**
 * Has messages of one segment sent again at `dueAtMs` that wait for a receipt and whose only submit was refused for
 * now. Gives their msgids.
 */
export async function putOffRefusedLate(
  tx: Queryable,
  dueAtMs: number,
  refusals: readonly LateRetry[],
): Promise<number[]> {
  const rows = await tx.query<{ msgid: number }>(PUT_OFF_REFUSED, [
    ...keysOf(refusals),
    dueAtMs,
    refusals.map(({ sourceAddress }) => sourceAddress ?? null),
  ]);
  return rows.map(({ msgid }) => msgid);
}

// Where the rest of the message is to go out still, or again, the segment joins it; but not where the row is claimed.
// Counted, since NOT EXISTS would be planned as a join that reads the table.
const PUT_OFF_SEGMENTS: Statement = {
  name: 'put-off-segments-refused-late',
  text: `
WITH waiting AS MATERIALIZED (
  SELECT f.operator_message_id, f.operator_id, f.msgid, f.segments, 1 << (f.segment - 1) AS bit, i.source_address, i.reference
  FROM unnest($1::text[], $2::smallint[], $4::text[], $5::smallint[]) AS i(id, operator_id, source_address, reference)
  JOIN in_flight f ON ${WAITS_WITHOUT_ID}
  WHERE f.segments > 1
  FOR UPDATE OF f
), in_queue AS (
  UPDATE queue q SET sent_mask = q.sent_mask & ~w.bit FROM waiting w
  WHERE ${keyed('q.msgid', 'w.msgid')} AND q.claimed_by IS NULL
  RETURNING q.msgid
), in_deferred AS (
  UPDATE deferred d SET sent_mask = d.sent_mask & ~w.bit FROM waiting w WHERE ${keyed('d.msgid', 'w.msgid')}
  RETURNING d.msgid
), fresh AS (
  INSERT INTO deferred (msgid, due_at, why, operator_id, account_id, mobile, body, segments, source_address, accepted_at, expires_at,
    sent_mask, reference, attempts)
  SELECT m.msgid, least(to_timestamp($3 / 1000.0), m.expires_at), 'retry', w.operator_id, m.account_id, m.mobile, m.body, m.segments,
    w.source_address, m.accepted_at, m.expires_at, (1 << w.segments) - 1 - w.bit, w.reference, 1
  FROM waiting w JOIN messages m ON m.msgid = w.msgid AND m.state IS NULL
  WHERE (SELECT count(*) FROM queue q WHERE ${keyed('q.msgid', 'w.msgid')}) = 0
    AND (SELECT count(*) FROM deferred d WHERE ${keyed('d.msgid', 'w.msgid')}) = 0
  ON CONFLICT (msgid) DO UPDATE SET sent_mask = deferred.sent_mask & EXCLUDED.sent_mask
  RETURNING msgid
), again AS MATERIALIZED (
  SELECT msgid FROM in_queue UNION ALL SELECT msgid FROM in_deferred UNION ALL SELECT msgid FROM fresh
), gone AS (
  DELETE FROM in_flight f USING waiting w
  WHERE ${keyed('f.operator_message_id', 'w.operator_message_id')} AND f.operator_id = w.operator_id
    AND w.msgid IN (SELECT msgid FROM again)
)
SELECT msgid FROM again`,
};

/**
 * The same for segments of long messages: only they go out again, under the reference of the others. One of each
 * message at a time.
 */
export async function putOffSegmentsRefusedLate(
  tx: Queryable,
  dueAtMs: number,
  refusals: readonly LateRetry[],
): Promise<number[]> {
  const rows = await tx.query<{ msgid: number }>(PUT_OFF_SEGMENTS, [
    ...keysOf(refusals),
    dueAtMs,
    refusals.map(({ sourceAddress }) => sourceAddress ?? null),
    refusals.map(({ concatenationReference }) => concatenationReference ?? null),
  ]);
  return rows.map(({ msgid }) => msgid);
}
