/**
 * The queue of calls: claimed by a node's epoch in fair order among accounts, marked before the first INVITE and at
 * once when answered, put off for another try, given back, or taken over from a dead epoch. The end of a call is in
 * call-settlement.ts.
 */
import type { Queryable, Statement } from './database.ts';
import { keyed } from './keyed.ts';

export interface QueuedCall {
  readonly msgid: number;
  /** Identifies this claim among all claims of the same row. */
  readonly claim: number;
  readonly accountId: number;
  /** E.164 digits. */
  readonly phone: string;
  readonly type: 1 | 2;
  readonly body: string;
  readonly voice: number;
  readonly speed: number;
  readonly volume: number;
  readonly recordingId: number | null;
  readonly replayMode: number;
  readonly replayTimes: number;
  readonly unitPoints: number;
  readonly unitSeconds: number;
  /** What is reserved. */
  readonly points: number;
  readonly attempts: number;
  readonly speechFailures: number;
  readonly redials: number;
  /** Whether an INVITE may have been sent under the claim that was taken over. */
  readonly dialled: boolean;
  readonly answeredAtMs: number | null;
  readonly talkingAtMs: number | null;
}

const COLUMNS = `q.msgid, q.claim, q.account_id AS "accountId", q.rank, q.phone, q.type, q.body, q.voice, q.speed, q.volume,
  q.recording_id AS "recordingId", q.replay AS "replayMode", q.replay_times AS "replayTimes", q.unit_points AS "unitPoints",
  q.unit_seconds AS "unitSeconds", q.points, q.attempts, q.speech_failures AS "speechFailures", q.redials, q.dialled,
  date_part('epoch', q.answered_at) * 1000 AS "answeredAtMs", date_part('epoch', q.talking_at) * 1000 AS "talkingAtMs"`;

const IS_ALIVE = 'EXISTS (SELECT FROM nodes WHERE epoch = $1 AND deadline > clock_timestamp())';

// Accounts that wait are found by jumping along the index from one to the next, so that a flood of one of them
// costs the claim of another nothing.
const NEXT_ACCOUNT = (after: string) => `
  (SELECT q.account_id FROM call_queue q WHERE q.ready AND q.claimed_by IS NULL AND q.account_id > ${after}
   ORDER BY q.account_id, q.rank, q.msgid LIMIT 1)`;
const EACH_WAITING_ACCOUNT = `
  SELECT ${NEXT_ACCOUNT('-1')}
  UNION ALL
  SELECT ${NEXT_ACCOUNT('w.account_id')} FROM waiting w WHERE w.account_id IS NOT NULL
`;

const CLAIM: Statement = {
  name: 'claim-calls',
  text: `
WITH RECURSIVE waiting (account_id) AS (${EACH_WAITING_ACCOUNT}), room AS MATERIALIZED (
  SELECT w.account_id, least(coalesce(a.calls, $5),
    $6 - (SELECT count(*) FROM call_queue b WHERE b.account_id = w.account_id AND b.claimed_by IS NOT NULL)) AS calls
  FROM waiting w LEFT JOIN unnest($3::int[], $4::int[]) AS a (account_id, calls) USING (account_id)
  WHERE w.account_id IS NOT NULL AND ${IS_ALIVE}
), picked AS MATERIALIZED (
  SELECT c.msgid, c.rank FROM room r
  CROSS JOIN LATERAL (
    SELECT q.msgid, q.rank FROM call_queue q
    WHERE q.account_id = r.account_id AND q.ready AND q.claimed_by IS NULL
    ORDER BY q.account_id, q.rank, q.msgid
    LIMIT greatest(r.calls, 0)
    FOR UPDATE SKIP LOCKED
  ) c
  ORDER BY c.rank, c.msgid LIMIT $2
), turned AS (
  UPDATE call_turn SET rank = greatest(rank, (SELECT max(rank) FROM picked)) WHERE EXISTS (SELECT FROM picked)
)
UPDATE call_queue q SET claimed_by = $1, claim = q.claim + 1 FROM picked p WHERE ${keyed('q.msgid', 'p.msgid')}
RETURNING ${COLUMNS}`,
};

/**
 * Claims at most `limit` calls, the lowest rank first, no account above `callsPerAccount` claimed ones on all nodes.
 * `allowances` bounds what this claim takes of single accounts, `otherwise` of each other one.
 */
export async function claimCalls(
  db: Queryable,
  claim: {
    epoch: number;
    limit: number;
    allowances: ReadonlyMap<number, number>;
    otherwise: number;
    callsPerAccount: number;
  },
): Promise<QueuedCall[]> {
  const rows = await db.query<QueuedCall & { rank: number }>(CLAIM, [
    claim.epoch,
    claim.limit,
    [...claim.allowances.keys()],
    [...claim.allowances.values()],
    claim.otherwise,
    claim.callsPerAccount,
  ]);
  return rows.sort((a, b) => a.rank - b.rank || a.msgid - b.msgid);
}

const MARK_DIALLED: Statement = {
  name: 'mark-calls-dialled',
  text: `UPDATE call_queue q SET dialled = true FROM unnest($2::bigint[], $3::int[]) AS c (msgid, claim)
         WHERE ${keyed('q.msgid', 'c.msgid')} AND q.claimed_by = $1 AND q.claim = c.claim AND ${IS_ALIVE}
         RETURNING q.msgid, q.claim`,
};

/** Which row, and which of its claims by one epoch. */
export type CallClaim = Pick<QueuedCall, 'msgid' | 'claim'>;

/** Marks calls before their first INVITE; gives the claims that are still held: only these may be dialled. */
export function markDialled(db: Queryable, epoch: number, claims: readonly CallClaim[]): Promise<CallClaim[]> {
  return db.query<CallClaim>(MARK_DIALLED, [epoch, ...columnsOf(claims)]);
}

const columnsOf = (claims: readonly CallClaim[]): [number[], number[]] => [
  claims.map(({ msgid }) => msgid),
  claims.map(({ claim }) => claim),
];

const MARK_ANSWERED: Statement = {
  name: 'mark-calls-answered',
  text: `UPDATE call_queue q SET answered_at = to_timestamp(a.at_ms / 1000.0), talking_at = to_timestamp(a.at_ms / 1000.0)
         FROM unnest($2::bigint[], $3::int[], $4::float8[]) AS a (msgid, claim, at_ms)
         WHERE ${keyed('q.msgid', 'a.msgid')} AND q.claimed_by = $1 AND q.claim = a.claim`,
};

/** From here on the call is never dialled again. */
export async function markAnswered(
  db: Queryable,
  epoch: number,
  answered: readonly (CallClaim & { readonly atMs: number })[],
): Promise<void> {
  await db.query(MARK_ANSWERED, [epoch, ...columnsOf(answered), answered.map((one) => one.atMs)]);
}

const NOTE_TALKING: Statement = {
  name: 'note-calls-talking',
  text: `UPDATE call_queue SET talking_at = to_timestamp($2 / 1000.0)
         WHERE claimed_by = $1 AND answered_at IS NOT NULL AND msgid = ANY ($3::bigint[])`,
};

/** Notes how long answered calls have been talking, for the node that settles them if this one dies. */
export async function noteTalking(
  db: Queryable,
  epoch: number,
  nowMs: number,
  msgids: readonly number[],
): Promise<void> {
  await db.query(NOTE_TALKING, [epoch, nowMs, msgids]);
}

/** A claimed call that goes back; at `dueAtMs`, or at once in its old place. */
export interface ReturnedCall extends CallClaim {
  readonly dueAtMs: number | undefined;
  readonly attempts: number;
  readonly speechFailures: number;
  readonly redials: number;
}

const GIVE_BACK: Statement = {
  name: 'give-back-calls',
  text: `
UPDATE call_queue q
SET claimed_by = NULL, dialled = false, ready = r.due_ms IS NULL, due_at = to_timestamp(r.due_ms / 1000.0),
    attempts = r.attempts, speech_failures = r.speech_failures, redials = r.redials
FROM unnest($2::bigint[], $3::int[], $4::float8[], $5::smallint[], $6::smallint[], $7::smallint[])
  AS r (msgid, claim, due_ms, attempts, speech_failures, redials)
WHERE ${keyed('q.msgid', 'r.msgid')} AND q.claimed_by = $1 AND q.claim = r.claim AND q.answered_at IS NULL`,
};

/**
 * Gives claimed calls back. Rows that are no longer this epoch's stay as they are, and those it has claimed again
 * since: a give-back whose answer was lost is repeated.
 */
export async function giveBackCalls(db: Queryable, epoch: number, returned: readonly ReturnedCall[]): Promise<void> {
  await db.query(GIVE_BACK, [
    epoch,
    ...columnsOf(returned),
    returned.map((call) => call.dueAtMs ?? null),
    returned.map((call) => call.attempts),
    returned.map((call) => call.speechFailures),
    returned.map((call) => call.redials),
  ]);
}

const PROMOTE: Statement = {
  name: 'promote-calls',
  text: `
WITH due AS (
  SELECT msgid FROM call_queue WHERE NOT ready AND claimed_by IS NULL AND due_at <= to_timestamp($1 / 1000.0)
  ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE call_queue q SET ready = true, due_at = NULL FROM due WHERE ${keyed('q.msgid', 'due.msgid')} RETURNING q.msgid`,
};

/** Calls whose next try is due become ready, in their old place; gives how many. */
export async function promoteCalls(db: Queryable, nowMs: number, limit: number): Promise<number> {
  return (await db.query(PROMOTE, [nowMs, limit])).length;
}

const RELEASE_STRAYS: Statement = {
  name: 'release-stray-calls',
  text: `UPDATE call_queue SET claimed_by = NULL
         WHERE claimed_by = $1 AND NOT dialled AND answered_at IS NULL AND msgid <> ALL ($2::bigint[])`,
};

/** Frees calls that a living epoch claimed without knowing it, because the answer to its claim was lost. */
export async function releaseStrayCalls(db: Queryable, epoch: number, known: readonly number[]): Promise<void> {
  await db.query(RELEASE_STRAYS, [epoch, known]);
}

const TAKE_OVER: Statement = {
  name: 'take-over-calls',
  text: `
WITH picked AS MATERIALIZED (
  SELECT msgid FROM call_queue c
  WHERE c.claimed_by IS NOT NULL AND ${IS_ALIVE}
    AND NOT EXISTS (SELECT FROM nodes n WHERE n.epoch = c.claimed_by AND n.deadline > clock_timestamp())
  LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE call_queue q SET claimed_by = $1, claim = q.claim + 1 FROM picked p WHERE ${keyed('q.msgid', 'p.msgid')}
RETURNING ${COLUMNS}`,
};

/** Takes over the claims of epochs that are dead or already forgotten. */
export function takeOverCalls(db: Queryable, epoch: number, limit: number): Promise<QueuedCall[]> {
  return db.query<QueuedCall>(TAKE_OVER, [epoch, limit]);
}

const LIVE_NODES: Statement = {
  name: 'live-nodes',
  text: 'SELECT count(*)::int AS nodes FROM nodes WHERE deadline > clock_timestamp()',
};

/** How many nodes share the trunks now. */
export async function countLiveNodes(db: Queryable): Promise<number> {
  return (await db.query<{ nodes: number }>(LIVE_NODES, []))[0]?.nodes ?? 1;
}

/** Rows that a count reads at the most. */
const MAX_COUNTED = 1_000_000;

const COUNT: Statement = {
  name: 'count-calls',
  text: `SELECT count(*) FILTER (WHERE ready AND claimed_by IS NULL)::int AS waiting,
                count(*) FILTER (WHERE NOT ready AND claimed_by IS NULL)::int AS later,
                count(claimed_by)::int AS claimed
         FROM (SELECT ready, claimed_by FROM call_queue LIMIT ${MAX_COUNTED}) AS counted`,
};

export interface CallQueueCounts {
  readonly waiting: number;
  /** For another try. */
  readonly later: number;
  /** Spoken, dialled or talking. */
  readonly claimed: number;
}

/** For the metrics; reads the queue, up to a million calls of it, so ask rarely. */
export async function countCalls(db: Queryable): Promise<CallQueueCounts> {
  const [counts] = await db.query<CallQueueCounts>(COUNT, []);
  if (counts === undefined) throw new Error('count gave no row');
  return counts;
}

// An account's calls go out in the order in which they were accepted: the first of each is its oldest.
const HEAD: Statement = {
  name: 'call-queue-head',
  text: `
WITH RECURSIVE waiting (account_id) AS (${EACH_WAITING_ACCOUNT})
SELECT greatest(coalesce(extract(epoch FROM to_timestamp($1 / 1000.0) - min(first.accepted_at)), 0), 0)::float8 AS age
FROM waiting w CROSS JOIN LATERAL (
  SELECT q.accepted_at FROM call_queue q
  WHERE q.account_id = w.account_id AND q.ready AND q.claimed_by IS NULL
  ORDER BY q.account_id, q.rank, q.msgid LIMIT 1
) AS first`,
};

/** Age in seconds of the call that waits longest for its turn. */
export async function callQueueHeadAge(db: Queryable, nowMs: number): Promise<number> {
  return (await db.query<{ age: number }>(HEAD, [nowMs]))[0]?.age ?? 0;
}

/** A line of a call's life, for `message_events`. */
export interface CallEvent {
  readonly msgid: number;
  readonly atMs: number;
  readonly kind: string;
  /** The trunk's name. */
  readonly trunk: string | undefined;
  /** A SIP status. */
  readonly status: number | undefined;
  readonly detail: string | undefined;
}

const NOTE_EVENTS: Statement = {
  name: 'note-call-events',
  text: `INSERT INTO message_events (msgid, at, kind, link, status, detail)
         SELECT msgid, to_timestamp(at_ms / 1000.0), kind, link, status, detail
         FROM unnest($1::bigint[], $2::float8[], $3::text[], $4::text[], $5::bigint[], $6::text[])
           AS e (msgid, at_ms, kind, link, status, detail)`,
};

export async function noteCallEvents(db: Queryable, events: readonly CallEvent[]): Promise<void> {
  await db.query(NOTE_EVENTS, [
    events.map((event) => event.msgid),
    events.map((event) => event.atMs),
    events.map((event) => event.kind),
    events.map((event) => event.trunk ?? null),
    events.map((event) => event.status ?? null),
    events.map((event) => event.detail ?? null),
  ]);
}
