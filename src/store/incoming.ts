/** Incoming messages and their segments; an arrival and the callback it owes are one transaction. */
import type { Queryable, Statement } from './database.ts';

export interface IncomingRow {
  readonly seq: number;
  readonly receivedAtMs: number;
  /** E.164 digits, or what the operator gave when that is no number. */
  readonly mobile: string;
  readonly text: string;
}

const BELONGS: Statement = {
  name: 'number-belongs',
  text: 'SELECT 1 FROM numbers WHERE snumber = $1 AND account_id = $2',
};

export async function numberBelongsTo(db: Queryable, snumber: string, accountId: number): Promise<boolean> {
  return (await db.query(BELONGS, [snumber, accountId])).length > 0;
}

/** Most days have fewer messages; this many of the longest possible ones are some 40 MiB. */
const PAGE_ROWS = 500;

const OF_DAY: Statement = {
  name: 'incoming-of-day',
  text: `SELECT seq, (extract(epoch FROM received_at) * 1000)::float8 AS "receivedAtMs", mobile, body AS text
         FROM incoming
         WHERE snumber = $1 AND account_id = $2 AND received_at >= to_timestamp($3 / 1000.0) AND received_at < to_timestamp($4 / 1000.0)
           AND ($5::bigint IS NULL OR (received_at, seq) > (
             SELECT received_at, seq FROM incoming
             WHERE seq = $5 AND snumber = $1 AND account_id = $2
               AND received_at >= to_timestamp($3 / 1000.0) AND received_at < to_timestamp($4 / 1000.0)))
         ORDER BY received_at, seq
         LIMIT ${PAGE_ROWS}`,
};

export interface DayQuery {
  accountId: number;
  snumber: string;
  startMs: number;
  endMs: number;
  /** Only messages after this one in the day's order; none if it does not belong to the day. */
  afterSeq: number | undefined;
}

/** The next messages in the order of their arrival; `last` when none follow. */
export async function incomingOfDay(db: Queryable, query: DayQuery): Promise<{ rows: IncomingRow[]; last: boolean }> {
  const { snumber, accountId, startMs, endMs, afterSeq } = query;
  const rows = await db.query<IncomingRow>(OF_DAY, [snumber, accountId, startMs, endMs, afterSeq ?? null]);
  return { rows, last: rows.length < PAGE_ROWS };
}

export interface Arrival {
  readonly operatorId: number;
  readonly address: string;
  readonly mobile: string;
  readonly text: string;
  /** Equal for two copies of one message: operator, sender, address, text and reference. */
  readonly fingerprint: string;
  /** When it, or its first segment, came. */
  readonly receivedAtMs: number;
}

export interface StoredArrival {
  readonly seq: number;
  readonly snumber: string | null;
  readonly accountId: number | null;
  readonly incomingUrl: string | null;
}

const STORE: Statement = {
  name: 'store-incoming',
  text: `
INSERT INTO incoming (snumber, account_id, operator_id, address, mobile, body, received_at, fingerprint)
SELECT n.snumber, n.account_id, $1, $2, $3, $4, to_timestamp($5 / 1000.0), $6
FROM (SELECT 1) AS one LEFT JOIN numbers n ON n.address = $2
WHERE NOT EXISTS (
  SELECT FROM incoming WHERE fingerprint = $6 AND received_at > to_timestamp($5 / 1000.0) - interval '60 seconds'
    AND received_at < to_timestamp($5 / 1000.0) + interval '60 seconds')
RETURNING seq, snumber, account_id AS "accountId",
  (SELECT incoming_url FROM accounts a WHERE a.account_id = incoming.account_id) AS "incomingUrl"`,
};

/**
 * Stores an arrival for the account that has its address; undefined when the same one came within 60 s (spec README
 * point 34).
 */
export async function storeArrival(db: Queryable, arrival: Arrival): Promise<StoredArrival | undefined> {
  const rows = await db.query<StoredArrival>(STORE, [
    arrival.operatorId,
    arrival.address,
    arrival.mobile,
    arrival.text,
    arrival.receivedAtMs,
    arrival.fingerprint,
  ]);
  return rows[0];
}

const OWE_PUSH: Statement = {
  name: 'owe-incoming-push',
  text: `INSERT INTO outbox (kind, account_id, url, host, payload, created_at, next_at, give_up_at)
         VALUES ('incoming', $1, $2, lower(substring($2 FROM '^[A-Za-z]+://([^/?#]+)')), $3, to_timestamp($4 / 1000.0),
                 to_timestamp($4 / 1000.0), to_timestamp($4 / 1000.0) + interval '24 hours')`,
};

/** The push of an arrival to the account's own URL; `payload` is the JSON of the moResp row. */
export async function owePush(
  db: Queryable,
  push: { accountId: number; url: string; payload: string; nowMs: number },
): Promise<void> {
  await db.query(OWE_PUSH, [push.accountId, push.url, push.payload, push.nowMs]);
}

export interface ArrivedSegment extends SegmentGroup {
  readonly segment: number;
  readonly text: string;
}

const FIND_SEGMENT: Statement = {
  name: 'find-incoming-segment',
  text: `SELECT body AS text, (extract(epoch FROM joined_at) * 1000)::float8 AS "joinedAtMs" FROM incoming_segments
         WHERE operator_id = $1 AND mobile = $2 AND address = $3 AND reference = $4 AND total = $5 AND segment = $6`,
};

/** What is stored in this segment's place: waiting for the others, or (`joinedAtMs`) shown already. */
export async function findSegment(
  db: Queryable,
  segment: ArrivedSegment,
): Promise<{ text: string; joinedAtMs: number | null } | undefined> {
  const rows = await db.query<{ text: string; joinedAtMs: number | null }>(FIND_SEGMENT, [
    ...keyOf(segment),
    segment.segment,
  ]);
  return rows[0];
}

const STORE_SEGMENT: Statement = {
  name: 'store-incoming-segment',
  text: `INSERT INTO incoming_segments (operator_id, mobile, address, reference, total, segment, body, received_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8 / 1000.0))
         ON CONFLICT DO NOTHING`,
};

export async function storeSegment(db: Queryable, segment: ArrivedSegment, nowMs: number): Promise<void> {
  await db.query(STORE_SEGMENT, [...keyOf(segment), segment.segment, segment.text, nowMs]);
}

export interface SegmentGroup {
  readonly operatorId: number;
  readonly mobile: string;
  readonly address: string;
  readonly reference: number;
  readonly total: number;
}

interface TakenSegment {
  readonly segment: number;
  readonly text: string;
  readonly receivedAtMs: number;
}

function keyOf(group: SegmentGroup): [number, string, string, number, number] {
  return [group.operatorId, group.mobile, group.address, group.reference, group.total];
}

const OF_GROUP = 'operator_id = $1 AND mobile = $2 AND address = $3 AND reference = $4 AND total = $5';
const TAKEN = 'segment, body AS text, (extract(epoch FROM received_at) * 1000)::float8 AS "receivedAtMs"';

const JOIN_GROUP: Statement = {
  name: 'join-incoming-group',
  text: `
WITH present AS (
  SELECT segment FROM incoming_segments WHERE ${OF_GROUP} AND joined_at IS NULL ORDER BY segment FOR UPDATE
)
UPDATE incoming_segments SET joined_at = to_timestamp($6 / 1000.0)
WHERE ${OF_GROUP} AND joined_at IS NULL AND (SELECT count(*) FROM present) >= $5
RETURNING ${TAKEN}`,
};

/** Marks the segments of a complete message as joined and gives them; gives none while some are missing. */
export function joinGroup(db: Queryable, group: SegmentGroup, nowMs: number): Promise<TakenSegment[]> {
  return db.query<TakenSegment>(JOIN_GROUP, [...keyOf(group), nowMs]);
}

const TAKE_GROUP: Statement = {
  name: 'take-incoming-group',
  text: `DELETE FROM incoming_segments WHERE ${OF_GROUP} AND joined_at IS NULL RETURNING ${TAKEN}`,
};

/** Removes and gives the segments of a message whose missing parts are no longer waited for. */
export function takeGroup(db: Queryable, group: SegmentGroup): Promise<TakenSegment[]> {
  return db.query<TakenSegment>(TAKE_GROUP, keyOf(group));
}

const FORGET_GROUP: Statement = {
  name: 'forget-incoming-group',
  text: `DELETE FROM incoming_segments WHERE ${OF_GROUP} AND joined_at IS NOT NULL`,
};

/** Deletes the segments of a message that was shown. */
export async function forgetGroup(db: Queryable, group: SegmentGroup): Promise<void> {
  await db.query(FORGET_GROUP, keyOf(group));
}

const FORGET_JOINED: Statement = {
  name: 'forget-joined-segments',
  text: 'DELETE FROM incoming_segments WHERE joined_at <= to_timestamp($1 / 1000.0)',
};

/** Drops segments that were shown before `beforeMs`. */
export async function forgetJoined(db: Queryable, beforeMs: number): Promise<void> {
  await db.query(FORGET_JOINED, [beforeMs]);
}

const DUE_GROUPS: Statement = {
  name: 'due-incoming-groups',
  text: `SELECT operator_id AS "operatorId", mobile, address, reference, total, count(*) >= total AS whole FROM incoming_segments
         WHERE joined_at IS NULL
         GROUP BY operator_id, mobile, address, reference, total
         HAVING min(received_at) <= to_timestamp($1 / 1000.0) OR (total > 1 AND count(*) >= total) LIMIT 100`,
};

/**
 * Messages whose first segment came before `beforeMs` and which are still not whole, and whole ones whose last two
 * segments came to two nodes at once. A group of one (`total` 1) is a doubtful text that came before `beforeMs`.
 */
export function dueGroups(db: Queryable, beforeMs: number): Promise<(SegmentGroup & { whole: boolean })[]> {
  return db.query(DUE_GROUPS, [beforeMs]);
}

/** A text that may be a receipt. It waits as a group of one, and the first line of its body is the receipt's id. */
export interface DoubtfulText extends SegmentGroup {
  readonly total: 1;
  /** Without blanks. */
  readonly receiptId: string;
  readonly text: string;
}

const HOLD_DOUBTFUL: Statement = {
  name: 'hold-doubtful-text',
  text: `INSERT INTO incoming_segments (operator_id, mobile, address, reference, total, segment, body, received_at)
         SELECT $1, $2, $3, $4, $5, 1, $6 || E'\\n' || $7, to_timestamp($8 / 1000.0)
         WHERE EXISTS (SELECT FROM numbers WHERE address = $3)
         ON CONFLICT DO NOTHING`,
};

/** Keeps a doubtful text that was sent to somebody's two-way number; others can only be receipts. */
export async function holdDoubtful(db: Queryable, doubtful: DoubtfulText, nowMs: number): Promise<void> {
  await db.query(HOLD_DOUBTFUL, [...keyOf(doubtful), doubtful.receiptId, doubtful.text, nowMs]);
}

const TAKE_DOUBTFUL: Statement = {
  name: 'take-doubtful-text',
  text: `DELETE FROM incoming_segments WHERE ${OF_GROUP} AND joined_at IS NULL
         RETURNING segment, split_part(body, E'\\n', 1) AS "receiptId", substring(body FROM position(E'\\n' IN body) + 1) AS text,
           (extract(epoch FROM received_at) * 1000)::float8 AS "receivedAtMs"`,
};

/** Removes and gives a doubtful text whose time is over. */
export async function takeDoubtful(
  db: Queryable,
  group: SegmentGroup,
): Promise<(TakenSegment & { receiptId: string }) | undefined> {
  return (await db.query<TakenSegment & { receiptId: string }>(TAKE_DOUBTFUL, keyOf(group)))[0];
}
