/**
 * The queue's rows on their way to an operator: claimed by a node's epoch in fair order, given back, put off
 * for another try, moved to another operator, or ended by expiry. What a submit led to is in submissions.ts.
 */
import type { Parameter, Queryable, Statement } from './database.ts';
import { LIVING_EPOCH } from './node-lease.ts';
import { SETTLED, type SettledRow, settling } from './settlement.ts';
import { MAY_BE_WHOLE } from './unknown-outcomes.ts';
import { keyed } from './keyed.ts';

/** A message that a node has claimed. */
export interface QueuedMessage {
  readonly msgid: number;
  /** Identifies this claim among all claims of the same row: the transaction that made it. */
  readonly claim: number;
  readonly accountId: number;
  readonly mobile: string;
  readonly body: string;
  readonly segments: number;
  readonly sourceAddress: string | undefined;
  readonly acceptedAtMs: number;
  readonly expiresAtMs: number;
  /** Bit n: segment n + 1 was taken by the operator, or nobody knows whether it was. */
  readonly sentMask: number;
  /** The concatenation reference under which segments went out already. */
  readonly reference: number | undefined;
  readonly attempts: number;
  readonly resends: number;
}

interface QueuedRow {
  msgid: number;
  claim: number;
  operator_id: number;
  rank: number;
  account_id: number;
  mobile: string;
  body: string;
  segments: number;
  source_address: string | null;
  accepted_ms: number;
  expires_ms: number;
  sent_mask: number;
  reference: number | null;
  attempts: number;
  resends: number;
}

// A row's xmin changes with every claim and give-back, and with nothing in between.
const CLAIM_TOKEN = 'q.xmin::text::bigint';
/** The same for rows that this transaction inserts as claimed. */
export const CLAIM_OF_THIS_TRANSACTION = 'pg_current_xact_id()::xid::text::bigint';

const COLUMNS = `q.msgid, ${CLAIM_TOKEN} AS claim, q.operator_id, q.rank, q.account_id, q.mobile, q.body, q.segments, q.source_address,
  (extract(epoch FROM q.accepted_at) * 1000)::float8 AS accepted_ms,
  (extract(epoch FROM q.expires_at) * 1000)::float8 AS expires_ms, q.sent_mask, q.reference, q.attempts, q.resends`;

function toMessage(row: QueuedRow): QueuedMessage {
  return {
    msgid: row.msgid,
    claim: row.claim,
    accountId: row.account_id,
    mobile: row.mobile,
    body: row.body,
    segments: row.segments,
    sourceAddress: row.source_address ?? undefined,
    acceptedAtMs: row.accepted_ms,
    expiresAtMs: row.expires_ms,
    sentMask: row.sent_mask,
    reference: row.reference ?? undefined,
    attempts: row.attempts,
    resends: row.resends,
  };
}

const CLAIM: Statement = {
  name: 'claim-queue',
  text: `
WITH picked AS MATERIALIZED (
  SELECT msgid, rank FROM queue
  WHERE operator_id = $2 AND rank >= $3 AND claimed_by IS NULL
    AND ${LIVING_EPOCH('$1')} IS NOT NULL
  ORDER BY operator_id, rank
  LIMIT $4
  FOR UPDATE SKIP LOCKED
), handed AS (
  UPDATE operators SET rank = greatest(rank, (SELECT max(rank) FROM picked), $5::float8)
  WHERE operator_id = $2 AND rank < greatest((SELECT max(rank) FROM picked), $5::float8)
)
UPDATE queue q SET claimed_by = $1
FROM picked p WHERE ${keyed('q.msgid', 'p.msgid')}
RETURNING ${COLUMNS}`,
};

/**
 * Claims up to `limit` messages for an operator, those of the lowest rank first, and gives that rank. `fromRank` spares
 * the scan the dead rows below it (measured: 43 to 3 ms under a held snapshot); rows below it are found by a claim from
 * 0. `handedRank` is the highest that went out without a claim of its own: the next one begins after it.
 */
export async function claim(
  db: Queryable,
  claim: { epoch: number; operatorId: number; fromRank: number; limit: number; handedRank?: number },
): Promise<{ messages: QueuedMessage[]; lowestRank: number | undefined }> {
  const { epoch, operatorId, fromRank, limit, handedRank = 0 } = claim;
  const rows = await db.query<QueuedRow>(CLAIM, [epoch, operatorId, fromRank, limit, handedRank]);
  rows.sort((a, b) => a.rank - b.rank || a.msgid - b.msgid);
  return { messages: rows.map(toMessage), lowestRank: rows[0]?.rank };
}

/**
 * Has messages claimed in the very statement that enqueues them: the node that accepts them, if its links to their
 * operator have room and as long as nothing older waits there.
 */
export interface QueueHolder {
  readonly epoch: number;
  /** Segments that may go out. */
  readonly room: number;
  /**
   * Exactly one of the two is called: with what was claimed once it is committed, the highest rank of it, and whether
   * others were left to be claimed; or when nobody knows whether it was.
   */
  take(messages: readonly QueuedMessage[], highestRank: number, leftSome: boolean): void;
  lost(): void;
}

const RELEASE_STRAYS: Statement = {
  name: 'release-stray-claims',
  text: `UPDATE queue SET claimed_by = NULL
         WHERE claimed_by = $1 AND operator_id = $2 AND msgid <> ALL ($3::bigint[]) RETURNING msgid`,
};

/**
 * Frees messages that a living epoch claimed for an operator without knowing it, because the answer to its claim was
 * lost. Gives how many.
 */
export async function releaseStrays(
  db: Queryable,
  claims: { epoch: number; operatorId: number; known: readonly number[] },
): Promise<number> {
  return (await db.query(RELEASE_STRAYS, [claims.epoch, claims.operatorId, claims.known])).length;
}

/** A claimed message that goes back to the queue, or waits for another try, with what is known of its segments. */
export interface ReturnedMessage {
  readonly msgid: number;
  readonly claim: number;
  /** When it is due again; undefined: at once, in its old place. */
  readonly dueAtMs: number | undefined;
  readonly sentMask: number;
  readonly reference: number | undefined;
  readonly attempts: number;
  readonly resends: number;
}

const GIVE_BACK: Statement = {
  name: 'give-back-queue',
  text: `
WITH input AS (
  SELECT * FROM unnest($2::bigint[], $3::smallint[], $4::smallint[], $5::smallint[], $6::smallint[], $7::bigint[])
  AS r(msgid, sent_mask, reference, attempts, resends, claim)
)
UPDATE queue q
SET claimed_by = NULL, sent_mask = q.sent_mask | i.sent_mask, reference = coalesce(i.reference, q.reference),
    attempts = i.attempts, resends = i.resends
FROM input i WHERE ${keyed('q.msgid', 'i.msgid')} AND q.claimed_by = $1 AND ${CLAIM_TOKEN} = i.claim`,
};

const PUT_OFF: Statement = {
  name: 'put-off-queue',
  text: `
WITH input AS (
  SELECT * FROM unnest($2::bigint[], $3::smallint[], $4::smallint[], $5::smallint[], $6::smallint[], $7::bigint[],
    $8::float8[])
  AS r(msgid, sent_mask, reference, attempts, resends, claim, due_ms)
), gone AS (
  DELETE FROM queue q USING input i WHERE ${keyed('q.msgid', 'i.msgid')} AND q.claimed_by = $1 AND ${CLAIM_TOKEN} = i.claim
  RETURNING q.*, i.sent_mask AS new_mask, i.reference AS new_reference, i.attempts AS new_attempts, i.resends AS new_resends, i.due_ms
)
INSERT INTO deferred (msgid, due_at, why, operator_id, rank, account_id, mobile, body, segments, source_address, accepted_at,
  expires_at, sent_mask, reference, attempts, resends)
SELECT msgid, least(to_timestamp(due_ms / 1000.0), expires_at), 'retry', operator_id, rank, account_id, mobile, body, segments,
  source_address, accepted_at, expires_at, sent_mask | new_mask, coalesce(new_reference, reference), new_attempts, new_resends
FROM gone`,
};

/**
 * Gives claimed messages back. Rows that are no longer this epoch's stay as they are, and those it has claimed again
 * since: a give-back whose answer was lost is repeated.
 */
export async function giveBack(db: Queryable, epoch: number, messages: readonly ReturnedMessage[]): Promise<void> {
  const columns = (rows: readonly ReturnedMessage[]): Parameter[] => [
    epoch,
    rows.map((row) => row.msgid),
    rows.map((row) => row.sentMask),
    rows.map((row) => row.reference ?? null),
    rows.map((row) => row.attempts),
    rows.map((row) => row.resends),
    rows.map((row) => row.claim),
  ];
  const now = messages.filter((row) => row.dueAtMs === undefined);
  const later = messages.filter((row) => row.dueAtMs !== undefined);
  if (now.length > 0) await db.query(GIVE_BACK, columns(now));
  if (later.length > 0) await db.query(PUT_OFF, [...columns(later), later.map((row) => row.dueAtMs ?? null)]);
}

const PROMOTE: Statement = {
  name: 'promote-deferred',
  text: `
WITH picked AS MATERIALIZED (
  SELECT msgid FROM deferred WHERE due_at <= to_timestamp($1 / 1000.0) ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
), due AS (
  DELETE FROM deferred d USING picked p WHERE ${keyed('d.msgid', 'p.msgid')} RETURNING d.*
), weighted AS MATERIALIZED (
  SELECT due.*, sum(segments) OVER (PARTITION BY operator_id, account_id ORDER BY due_at, msgid) AS weight FROM due
), totals AS (
  SELECT operator_id, account_id, max(weight) AS weight FROM weighted WHERE rank IS NULL GROUP BY operator_id, account_id
), base AS MATERIALIZED (
  SELECT t.operator_id, t.account_id, t.weight, a.share, coalesce(greatest(o.rank, f.rank), 0) AS rank
  FROM totals t JOIN accounts a USING (account_id) LEFT JOIN operators o USING (operator_id)
  LEFT JOIN fair_ranks f USING (operator_id, account_id)
), ranks AS (
  INSERT INTO fair_ranks AS f (operator_id, account_id, rank)
  SELECT operator_id, account_id, rank + weight / share FROM base ORDER BY operator_id, account_id
  ON CONFLICT (operator_id, account_id) DO UPDATE SET rank = greatest(f.rank, EXCLUDED.rank)
)
INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, source_address, accepted_at, expires_at,
  sent_mask, reference, attempts, resends)
SELECT w.msgid, w.operator_id, coalesce(w.rank, b.rank + w.weight / b.share), w.account_id, w.mobile, w.body, w.segments,
  w.source_address, w.accepted_at, w.expires_at, w.sent_mask, w.reference, w.attempts, w.resends
FROM weighted w LEFT JOIN base b USING (operator_id, account_id)
RETURNING msgid`,
};

/** Moves what has become due into the queue; a scheduled message gets its rank now, a retry keeps its own. */
export async function promoteDue(db: Queryable, nowMs: number, limit: number): Promise<number> {
  return (await db.query(PROMOTE, [nowMs, limit])).length;
}

const FIND_EXPIRED: Statement = {
  name: 'find-expired',
  text: `
SELECT count(*)::int AS seen, max(msgid) AS last,
       coalesce(array_agg(msgid::float8) FILTER (WHERE expires_at <= to_timestamp($1 / 1000.0) AND claimed_by IS NULL), '{}') AS expired
FROM (SELECT msgid, expires_at, claimed_by FROM queue WHERE msgid > $2 ORDER BY msgid LIMIT $3) AS part`,
};

/**
 * The next part of the queue by msgid, after `afterMsgid`: how many rows it has, its last msgid, and which have
 * expired.
 */
export async function findExpired(
  db: Queryable,
  nowMs: number,
  afterMsgid: number,
  limit: number,
): Promise<{ seen: number; last: number; expired: readonly number[] }> {
  const [row] = await db.query<{ seen: number; last: number | null; expired: number[] }>(FIND_EXPIRED, [
    nowMs,
    afterMsgid,
    limit,
  ]);
  return { seen: row?.seen ?? 0, last: row?.last ?? afterMsgid, expired: row?.expired ?? [] };
}

const EXPIRE: Statement = {
  name: 'expire-queue',
  text: `
WITH picked AS MATERIALIZED (
  SELECT msgid FROM queue
  WHERE msgid = ANY ($2::bigint[]) AND expires_at <= to_timestamp($1 / 1000.0) AND claimed_by IS NULL AND NOT (${MAY_BE_WHOLE})
  FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM queue q USING picked p WHERE ${keyed('q.msgid', 'p.msgid')} RETURNING q.msgid, q.sent_mask, q.resends
), verdicts AS (
  SELECT msgid, 'EXPIRED' AS state, $1::float8 AS done_ms, sent_mask = 0 AND resends = 0 AS refund, false AS correctable FROM gone
), ${settling('to_timestamp($1 / 1000.0)')}, noted_events AS (
  INSERT INTO message_events (msgid, at, kind, detail)
  SELECT msgid, to_timestamp($1 / 1000.0), 'expired', 'its validity ended in the queue' FROM gone
)
${SETTLED('to_timestamp($1 / 1000.0)')}`,
};

/**
 * Ends the messages among these that expired in the queue; they are refunded unless an operator may have taken a part.
 */
export function expireQueued(db: Queryable, nowMs: number, msgids: readonly number[]): Promise<SettledRow[]> {
  return db.query<SettledRow>(EXPIRE, [nowMs, msgids]);
}

const PARTLY_QUEUED: Statement = {
  name: 'waiting-for-operator',
  text: `SELECT msgid, mobile, rank FROM queue
         WHERE operator_id = $1 AND rank > $2 AND claimed_by IS NULL AND sent_mask = 0
         ORDER BY operator_id, rank LIMIT $3`,
};

/** Messages that wait for an operator and could go to another one, in order, after `afterRank`. */
export function waitingFor(
  db: Queryable,
  operatorId: number,
  afterRank: number,
  limit: number,
): Promise<{ msgid: number; mobile: string; rank: number }[]> {
  return db.query(PARTLY_QUEUED, [operatorId, afterRank, limit]);
}

const REROUTE: Statement = {
  name: 'reroute-queue',
  text: `
WITH input AS (
  SELECT * FROM unnest($2::bigint[], $3::smallint[]) AS r(msgid, operator_id)
), picked AS MATERIALIZED (
  SELECT q.msgid, q.account_id, q.segments, q.rank AS old_rank, i.operator_id FROM queue q JOIN input i USING (msgid)
  WHERE q.operator_id = $1 AND q.claimed_by IS NULL AND q.sent_mask = 0
  FOR UPDATE OF q SKIP LOCKED
), weighted AS MATERIALIZED (
  SELECT picked.*, sum(segments) OVER (PARTITION BY operator_id, account_id ORDER BY old_rank, msgid) AS weight FROM picked
), totals AS (
  SELECT operator_id, account_id, max(weight) AS weight FROM weighted GROUP BY operator_id, account_id
), base AS MATERIALIZED (
  SELECT t.operator_id, t.account_id, t.weight, a.share, greatest(o.rank, coalesce(f.rank, 0)) AS rank
  FROM totals t JOIN operators o USING (operator_id) JOIN accounts a USING (account_id)
  LEFT JOIN fair_ranks f USING (operator_id, account_id)
), ranks AS (
  INSERT INTO fair_ranks AS f (operator_id, account_id, rank)
  SELECT operator_id, account_id, rank + weight / share FROM base ORDER BY operator_id, account_id
  ON CONFLICT (operator_id, account_id) DO UPDATE SET rank = greatest(f.rank, EXCLUDED.rank)
), moved AS (
  UPDATE queue q SET operator_id = w.operator_id, rank = b.rank + w.weight / b.share
  FROM weighted w JOIN base b USING (operator_id, account_id) WHERE ${keyed('q.msgid', 'w.msgid')}
  RETURNING q.msgid, q.operator_id
)
INSERT INTO message_events (msgid, at, kind, operator_id, detail)
SELECT msgid, to_timestamp($4 / 1000.0), 'rerouted', operator_id, 'the links of its operator are down' FROM moved
RETURNING msgid`,
};

/** Moves messages from an operator whose links are down to others; they take their place in the order there. */
export async function reroute(
  db: Queryable,
  fromOperatorId: number,
  moves: readonly { msgid: number; operatorId: number }[],
  nowMs: number,
): Promise<number> {
  const rows = await db.query(REROUTE, [
    fromOperatorId,
    moves.map((move) => move.msgid),
    moves.map((move) => move.operatorId),
    nowMs,
  ]);
  return rows.length;
}
