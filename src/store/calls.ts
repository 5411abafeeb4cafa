/**
 * Calls as their customers see them: the one statement that reserves the points of a batch, stores it and enqueues it,
 * a form of it that is safe to run again after a connection was lost in COMMIT, and the look-up.
 */
import type { CallState } from '../domain/voice-codes.ts';
import { acceptAgain } from './accept-again.ts';
import type { RejectedRow } from './charged-batches.ts';
import type { Queryable, StageConnection, Statement } from './database.ts';

export interface CallRow {
  readonly msgid: number;
  readonly accountId: number;
  readonly accountVersion: number;
  /** E.164 digits. */
  readonly phone: string;
  /** 1: text, 2: recording. */
  readonly type: 1 | 2;
  readonly body: string;
  readonly voice: number;
  readonly speed: number;
  readonly volume: number;
  readonly recordingId: number | undefined;
  readonly replayMode: number;
  readonly replayTimes: number;
  readonly response: string | undefined;
  readonly unitPoints: number;
  readonly unitSeconds: number;
  /** What is reserved. */
  readonly points: number;
  /** Points of this account's rows up to and with this one; the balance must cover it. */
  readonly runningPoints: number;
  /** This account's rows up to and with this one; its place in the fair order. */
  readonly runningCalls: number;
}

const NOW = 'to_timestamp($1 / 1000.0)';
const ROW_COLUMNS = `msgid, account_id, phone, type, body, voice, speed, volume, recording_id, replay, replay_times,
  unit_points, unit_seconds, points`;

/** Rows are joined to tables by their keys and never to each other (decision 0003). */
const ACCEPT: Statement = {
  name: 'accept-calls',
  text: `
WITH input AS MATERIALIZED (
  SELECT * FROM unnest($2::bigint[], $3::int[], $4::bigint[], $5::text[], $6::smallint[], $7::text[], $8::smallint[], $9::smallint[],
      $10::smallint[], $11::bigint[], $12::smallint[], $13::smallint[], $14::text[], $15::int[], $16::int[], $17::int[], $18::bigint[],
      $19::float8[])
    AS r(msgid, account_id, account_version, phone, type, body, voice, speed, volume, recording_id, replay, replay_times, response,
      unit_points, unit_seconds, points, running_points, running_calls)
), judged AS MATERIALIZED (
  SELECT input.*, a.balance, a.share, a.version <> input.account_version AS stale,
         a.version = input.account_version AND input.running_points <= a.balance AS good
  FROM input JOIN accounts a USING (account_id)
  ORDER BY account_id
  FOR NO KEY UPDATE OF a
), good AS MATERIALIZED (
  SELECT * FROM judged WHERE good
), charges AS (
  SELECT account_id, sum(points)::bigint AS points, count(*)::int AS calls, min(msgid) AS first_msgid, max(msgid) AS last_msgid
  FROM good GROUP BY account_id
), charged AS (
  UPDATE accounts a SET balance = a.balance - c.points FROM charges c WHERE a.account_id = c.account_id
), noted AS (
  INSERT INTO ledger (account_id, at, kind, points, messages, first_msgid, last_msgid)
  SELECT account_id, ${NOW}, 'charge', -points, calls, first_msgid, last_msgid FROM charges
), stored AS (
  INSERT INTO calls (${ROW_COLUMNS}, response, accepted_at)
  SELECT ${ROW_COLUMNS}, response, ${NOW} FROM good
), totals AS (
  SELECT account_id, share, max(running_calls) AS calls FROM good GROUP BY account_id, share
), base AS MATERIALIZED (
  SELECT t.account_id, t.share, t.calls, greatest((SELECT rank FROM call_turn), coalesce(r.rank, 0)) AS rank
  FROM totals t LEFT JOIN call_ranks r USING (account_id)
), ranks AS (
  INSERT INTO call_ranks AS r (account_id, rank)
  SELECT account_id, rank + calls / share FROM base ORDER BY account_id
  ON CONFLICT (account_id) DO UPDATE SET rank = greatest(r.rank, EXCLUDED.rank)
), queued AS (
  INSERT INTO call_queue (${ROW_COLUMNS}, rank, accepted_at)
  SELECT ${ROW_COLUMNS.replaceAll(/(\w+)/g, 'g.$1')},
         greatest((SELECT rank FROM call_turn), coalesce(r.rank, 0)) + g.running_calls / g.share, ${NOW}
  FROM good g LEFT JOIN call_ranks r USING (account_id)
)
SELECT msgid, stale, balance FROM judged WHERE NOT good`,
};

/** Reserves, stores and enqueues what the balances cover; gives the rows it did not take, with the reason. */
export function acceptCalls(db: Queryable, nowMs: number, rows: readonly CallRow[]): Promise<RejectedRow[]> {
  return db.query<RejectedRow>(ACCEPT, [
    nowMs,
    rows.map((row) => row.msgid),
    rows.map((row) => row.accountId),
    rows.map((row) => row.accountVersion),
    rows.map((row) => row.phone),
    rows.map((row) => row.type),
    rows.map((row) => row.body),
    rows.map((row) => row.voice),
    rows.map((row) => row.speed),
    rows.map((row) => row.volume),
    rows.map((row) => row.recordingId ?? null),
    rows.map((row) => row.replayMode),
    rows.map((row) => row.replayTimes),
    rows.map((row) => row.response ?? null),
    rows.map((row) => row.unitPoints),
    rows.map((row) => row.unitSeconds),
    rows.map((row) => row.points),
    rows.map((row) => row.runningPoints),
    rows.map((row) => row.runningCalls),
  ]);
}

const STORED: Statement = { name: 'stored-calls', text: 'SELECT msgid FROM calls WHERE msgid = ANY ($1::bigint[])' };

/** The same batch once more, after its outcome was lost. */
export function acceptCallsAgain(
  connection: StageConnection,
  nowMs: number,
  rows: readonly CallRow[],
): Promise<readonly RejectedRow[]> {
  return acceptAgain(connection, rows, { stored: STORED, accept: (tx, missing) => acceptCalls(tx, nowMs, missing) });
}

export interface StoredCall {
  readonly accountId: number;
  readonly phone: string;
  /** Null while it goes on. */
  readonly state: CallState | null;
  readonly seconds: number | null;
  /** What the call cost: what was reserved without what was given back. */
  readonly points: number;
}

const FIND: Statement = {
  name: 'find-call',
  text: `SELECT account_id AS "accountId", phone, state, seconds, points - refunded AS points FROM calls WHERE msgid = $1`,
};

export async function findCall(db: Queryable, msgid: number): Promise<StoredCall | undefined> {
  return (await db.query<StoredCall>(FIND, [msgid]))[0];
}
