/**
 * Writes the results of submits in batches: segments that an operator took wait in in_flight for their receipts,
 * refused messages end at once. The queue's row is deleted in the same statement.
 */
import type { Queryable, Statement } from './database.ts';
import { SETTLED, type SettledRow, settling } from './settlement.ts';
import { keyed } from './keyed.ts';

/** One segment handed to an operator. */
export interface SubmittedSegment {
  readonly msgid: number;
  readonly operatorId: number;
  readonly segment: number;
  readonly segments: number;
  readonly mobile: string;
  /** The operator's id; undefined when no response told it. */
  readonly operatorMessageId: string | undefined;
  /** user_message_reference as sent. */
  readonly reference: number;
  readonly link: string;
  readonly sequence: number;
  readonly submittedAtMs: number;
  /** When waiting for its receipt ends: validity plus grace. */
  readonly overdueAtMs: number;
  readonly detail: string | undefined;
  /** Its message leaves the queue with it; false while other segments are still to go out. */
  readonly last: boolean;
}

/** The id under which a segment waits if its response never came; no operator's id looks like it. */
export function unknownId(msgid: number, segment: number): string {
  return `?${msgid}/${segment}`;
}

const RECORD_SUBMITTED: Statement = {
  name: 'record-submitted',
  text: `
WITH input AS MATERIALIZED (
  SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::smallint[], $5::text[], $6::text[], $7::int[], $8::text[],
    $9::bigint[], $10::float8[], $11::float8[], $12::text[], $13::boolean[])
  AS r(msgid, operator_id, segment, segments, mobile, operator_message_id, reference, link, sequence, submitted_ms, overdue_ms, detail, last)
), gone AS (
  DELETE FROM queue q USING input i WHERE ${keyed('q.msgid', 'i.msgid')} AND i.last
), long AS (
  INSERT INTO long_messages (msgid, segments, submitted_at)
  SELECT msgid, max(segments), to_timestamp(min(submitted_ms) / 1000.0) FROM input WHERE segments > 1 GROUP BY msgid
  ON CONFLICT (msgid) DO NOTHING
), flights AS (
  INSERT INTO in_flight AS f (operator_message_id, operator_id, msgid, segment, segments, mobile, reference, outcome_unknown,
    submitted_at, overdue_at)
  SELECT DISTINCT ON (1, 2) coalesce(operator_message_id, '?' || msgid || '/' || segment), operator_id, msgid, segment, segments, mobile,
    reference, operator_message_id IS NULL, to_timestamp(submitted_ms / 1000.0), to_timestamp(overdue_ms / 1000.0)
  FROM input
  ORDER BY 1, 2, msgid, segment
  ON CONFLICT (operator_message_id, operator_id) DO UPDATE
  SET msgid = EXCLUDED.msgid, segment = EXCLUDED.segment, segments = EXCLUDED.segments, reference = EXCLUDED.reference,
      submitted_at = EXCLUDED.submitted_at,
      mobile = EXCLUDED.mobile,
      accepted_seen = f.receipt_state = 'ACCEPTD',
      receipt_state = nullif(f.receipt_state, 'ACCEPTD'),
      overdue_at = CASE WHEN f.receipt_state = 'ACCEPTD' THEN EXCLUDED.overdue_at ELSE f.overdue_at END
  WHERE f.msgid IS NULL AND f.mobile IN ('', EXCLUDED.mobile)
  RETURNING f.operator_message_id, f.operator_id, f.msgid, f.segment, f.receipt_state, f.accepted_seen, f.receipt_detail, f.received_at
), told_accepted AS (
  INSERT INTO message_events (msgid, at, kind, operator_id, segment, operator_message_id, detail)
  SELECT msgid, received_at, 'receipt', operator_id, segment, operator_message_id, receipt_detail
  FROM flights WHERE accepted_seen AND receipt_state IS NULL
), told AS (
  INSERT INTO message_events (msgid, at, kind, operator_id, segment, link, sequence, operator_message_id, status, detail)
  SELECT msgid, to_timestamp(submitted_ms / 1000.0), CASE WHEN operator_message_id IS NULL THEN 'outcome-unknown' ELSE 'submitted' END,
    operator_id, segment, link, nullif(sequence, 0), operator_message_id, CASE WHEN operator_message_id IS NULL THEN NULL ELSE 0 END, detail
  FROM input
)
SELECT (SELECT count(*)::int FROM flights) AS stored,
       (SELECT coalesce(json_agg(json_build_object('operatorMessageId', operator_message_id, 'operatorId', operator_id)), '[]')
        FROM flights WHERE receipt_state IS NOT NULL) AS arrived`,
};

export interface RecordedSubmissions {
  /**
   * How many segments now wait under their own id; fewer than given when an operator used an id twice, or a receipt
   * for another recipient is kept under it.
   */
  readonly stored: number;
  /** Segments whose receipt had come before: ready to be settled. */
  readonly arrived: readonly { operatorMessageId: string; operatorId: number }[];
}

/** Records segments that an operator took or may have taken. Safe to run again with the same segments. */
export async function recordSubmitted(
  db: Queryable,
  segments: readonly SubmittedSegment[],
): Promise<RecordedSubmissions> {
  const [row] = await db.query<RecordedSubmissions>(RECORD_SUBMITTED, [
    segments.map((s) => s.msgid),
    segments.map((s) => s.operatorId),
    segments.map((s) => s.segment),
    segments.map((s) => s.segments),
    segments.map((s) => s.mobile),
    segments.map((s) => s.operatorMessageId ?? null),
    segments.map((s) => s.reference),
    segments.map((s) => s.link),
    segments.map((s) => s.sequence),
    segments.map((s) => s.submittedAtMs),
    segments.map((s) => s.overdueAtMs),
    segments.map((s) => s.detail ?? null),
    segments.map((s) => s.last),
  ]);
  return row ?? { stored: 0, arrived: [] };
}

const WAITING_IDS: Statement = {
  name: 'waiting-ids',
  text: `SELECT i.n FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::smallint[]) WITH ORDINALITY
           AS i(operator_message_id, operator_id, msgid, segment, n)
         JOIN in_flight f ON ${keyed('f.operator_message_id', 'i.operator_message_id')} AND f.operator_id = i.operator_id
         WHERE f.msgid = i.msgid AND f.segment = i.segment`,
};

/** Of these segments, the indexes of those that wait under their operator's id. */
export async function waitingUnderTheirId(
  db: Queryable,
  segments: readonly SubmittedSegment[],
): Promise<ReadonlySet<number>> {
  const rows = await db.query<{ n: number }>(WAITING_IDS, [
    segments.map((s) => s.operatorMessageId ?? unknownId(s.msgid, s.segment)),
    segments.map((s) => s.operatorId),
    segments.map((s) => s.msgid),
    segments.map((s) => s.segment),
  ]);
  return new Set(rows.map((row) => row.n - 1));
}

const IDS_IN_USE: Statement = {
  name: 'ids-in-use',
  text: `SELECT i.n FROM unnest($1::text[], $2::smallint[]) WITH ORDINALITY AS i(operator_message_id, operator_id, n)
         JOIN in_flight f ON ${keyed('f.operator_message_id', 'i.operator_message_id')} AND f.operator_id = i.operator_id
         WHERE f.msgid IS NOT NULL`,
};

/** Of these segments, the indexes of those whose operator's id another segment has. */
export async function idsInUse(db: Queryable, segments: readonly SubmittedSegment[]): Promise<number[]> {
  const rows = await db.query<{ n: number }>(IDS_IN_USE, [
    segments.map((s) => s.operatorMessageId ?? null),
    segments.map((s) => s.operatorId),
  ]);
  return rows.map((row) => row.n - 1);
}

/** A message that ends without having been taken whole: refused at submit, filtered, opted out, expired. */
export interface EndedMessage {
  readonly msgid: number;
  readonly state: string;
  readonly refund: boolean;
  readonly event: string;
  readonly operatorId: number | undefined;
  readonly segment: number | undefined;
  readonly link: string | undefined;
  readonly sequence: number | undefined;
  readonly status: number | undefined;
  readonly detail: string | undefined;
}

const END_MESSAGES: Statement = {
  name: 'end-messages',
  text: `
WITH input AS MATERIALIZED (
  SELECT * FROM unnest($2::bigint[], $3::text[], $4::boolean[], $5::text[], $6::smallint[], $7::smallint[], $8::text[], $9::bigint[],
    $10::bigint[], $11::text[])
  AS r(msgid, state, refund, event, operator_id, segment, link, sequence, status, detail)
), gone AS (
  DELETE FROM queue q USING input i WHERE ${keyed('q.msgid', 'i.msgid')} AND q.claimed_by = $12 RETURNING i.*
), verdicts AS (
  SELECT msgid, state, $1::float8 AS done_ms, refund, false AS correctable FROM gone
), ${settling('to_timestamp($1 / 1000.0)')}, told_end AS (
  INSERT INTO message_events (msgid, at, kind, operator_id, segment, link, sequence, status, detail)
  SELECT msgid, to_timestamp($1 / 1000.0), event, operator_id, segment, link, sequence, status, detail FROM gone
)
${SETTLED('to_timestamp($1 / 1000.0)')}`,
};

/**
 * Ends messages at once, with refund where the row says so. Safe to run again. Those that are no longer this epoch's
 * stay as they are: another node may be sending them.
 */
export function endMessages(
  db: Queryable,
  epoch: number,
  nowMs: number,
  messages: readonly EndedMessage[],
): Promise<SettledRow[]> {
  return db.query<SettledRow>(END_MESSAGES, [
    nowMs,
    messages.map((m) => m.msgid),
    messages.map((m) => m.state),
    messages.map((m) => m.refund),
    messages.map((m) => m.event),
    messages.map((m) => m.operatorId ?? null),
    messages.map((m) => m.segment ?? null),
    messages.map((m) => m.link ?? null),
    messages.map((m) => m.sequence ?? null),
    messages.map((m) => m.status ?? null),
    messages.map((m) => m.detail ?? null),
    epoch,
  ]);
}

export interface SubmitEvent {
  readonly msgid: number;
  readonly atMs: number;
  readonly kind: string;
  readonly operatorId: number;
  readonly segment: number | undefined;
  readonly link: string | undefined;
  readonly sequence: number | undefined;
  readonly operatorMessageId: string | undefined;
  readonly status: number | undefined;
  readonly detail: string | undefined;
}

const NOTE_EVENTS: Statement = {
  name: 'note-events',
  text: `INSERT INTO message_events (msgid, at, kind, operator_id, segment, link, sequence, operator_message_id, status, detail)
         SELECT msgid, to_timestamp(at_ms / 1000.0), kind, operator_id, segment, link, sequence, operator_message_id, status, detail
         FROM unnest($1::bigint[], $2::float8[], $3::text[], $4::smallint[], $5::smallint[], $6::text[], $7::bigint[], $8::text[],
           $9::bigint[], $10::text[])
         AS r(msgid, at_ms, kind, operator_id, segment, link, sequence, operator_message_id, status, detail)`,
};

/** Events in messages' lives that come with no other change: throttled submits, late responses, duplicates. */
export async function noteEvents(db: Queryable, events: readonly SubmitEvent[]): Promise<void> {
  await db.query(NOTE_EVENTS, [
    events.map((e) => e.msgid),
    events.map((e) => e.atMs),
    events.map((e) => e.kind),
    events.map((e) => e.operatorId),
    events.map((e) => e.segment ?? null),
    events.map((e) => e.link ?? null),
    events.map((e) => e.sequence ?? null),
    events.map((e) => e.operatorMessageId ?? null),
    events.map((e) => e.status ?? null),
    events.map((e) => e.detail ?? null),
  ]);
}
