/**
 * The callbacks owed, as the delivery stage claims and settles them. First tries wait in the open lane. Retries, and
 * callbacks of hosts that can't keep up, wait in the parked lane of their host, which is claimed separately. Only the
 * epoch that holds a claim can settle it, and settling it again does nothing.
 */
import type { State } from '../domain/states.ts';
import type { CallState } from '../domain/voice-codes.ts';
import type { Queryable, Statement } from './database.ts';
import { keyed } from './keyed.ts';

interface CallbackRow {
  readonly callbackId: number;
  readonly url: string;
  readonly host: string;
  readonly attempts: number;
  readonly giveUpAtMs: number;
}

/** A message's final state. */
export interface ReceiptCallback extends CallbackRow {
  readonly kind: 'receipt';
  readonly msgid: number;
  readonly mobile: string;
  readonly state: State;
  readonly doneAtMs: number;
}

/** A message that came in for a two-way number; `payload` is its moResp row as JSON. */
export interface IncomingCallback extends CallbackRow {
  readonly kind: 'incoming';
  readonly payload: string;
}

/** How a call ended; `payload` is JSON of its charged seconds and points. */
export interface CallCallback extends CallbackRow {
  readonly kind: 'call';
  readonly msgid: number;
  /** E.164 digits. */
  readonly mobile: string;
  readonly state: CallState;
  readonly payload: string;
}

export type Callback = ReceiptCallback | IncomingCallback | CallCallback;

const NOW = 'to_timestamp($2 / 1000.0)';

// date_part gives float8; extract gives numeric, whose arithmetic doubled the cost of the claim.
/** Of a row `o`, what makes a ReceiptCallback. */
export const CALLBACK_COLUMNS = `o.callback_id::float8 AS "callbackId", o.kind, o.url, o.host, o.attempts,
  o.msgid::float8 AS msgid, o.mobile, o.state, date_part('epoch', o.done_at) * 1000 AS "doneAtMs",
  date_part('epoch', o.give_up_at) * 1000 AS "giveUpAtMs"`;
const COLUMNS = `${CALLBACK_COLUMNS}, o.payload`;
/** As many columns of the same names, for a row that tells something else. */
export const NO_CALLBACK = `NULL AS "callbackId", NULL AS kind, NULL AS url, NULL AS host, NULL AS attempts, NULL AS msgid,
  NULL AS mobile, NULL AS state, NULL AS "doneAtMs", NULL AS "giveUpAtMs"`;

/**
 * Has new callbacks claimed in the very statement that owes them: the delivery stage of the node that settles, as long
 * as nothing older waits (measured: a separate claim is a sixth of the database's work for a message).
 */
export interface CallbackHolder {
  readonly epoch: number;
  /** Hosts that have enough; their callbacks are left to be claimed. */
  readonly fullHosts: readonly string[];
  /**
   * Exactly one of the two is called: with what was claimed once it is committed, or when nobody knows whether it was.
   */
  take(callbacks: readonly ReceiptCallback[]): void;
  lost(): void;
}

const CLAIM_OPEN: Statement = {
  name: 'outbox-claim-open',
  text: `
WITH due AS MATERIALIZED (
  SELECT callback_id FROM outbox
  WHERE NOT parked AND NOT given_up AND claimed_by IS NULL AND next_at <= ${NOW}
  ORDER BY next_at, callback_id LIMIT $3 FOR UPDATE SKIP LOCKED
), taken AS (
  UPDATE outbox o
  SET parked = o.host = ANY ($4::text[]), claimed_by = CASE WHEN o.host = ANY ($4::text[]) THEN NULL ELSE $1::int END
  FROM due WHERE ${keyed('o.callback_id', 'due.callback_id')}
  RETURNING o.*
)
SELECT ${COLUMNS} FROM taken o WHERE NOT parked
UNION ALL
SELECT NULL, NULL, NULL, host, count(*)::int, NULL, NULL, NULL, NULL, NULL, NULL FROM taken WHERE parked GROUP BY host`,
};

/**
 * Claims at most `limit` callbacks of the open lane that are due, the longest due first. Those of `fullHosts` go
 * to their host's parked lane instead; `parked` counts them.
 */
export async function claimOpen(
  db: Queryable,
  claim: { epoch: number; nowMs: number; limit: number; fullHosts: readonly string[] },
): Promise<{ claimed: Callback[]; parked: number }> {
  const rows = await db.query<Callback | { callbackId: null; attempts: number }>(CLAIM_OPEN, [
    claim.epoch,
    claim.nowMs,
    claim.limit,
    claim.fullHosts,
  ]);
  const claimed: Callback[] = [];
  let parked = 0;
  for (const row of rows) {
    if (row.callbackId === null) parked += row.attempts;
    else claimed.push(row);
  }
  return { claimed, parked };
}

const CLAIM_PARKED: Statement = {
  name: 'outbox-claim-parked',
  text: `
WITH due AS MATERIALIZED (
  SELECT picked.callback_id
  FROM unnest($3::text[], $4::int[]) AS wanted (host, rows)
  CROSS JOIN LATERAL (
    SELECT callback_id FROM outbox p
    WHERE p.host = wanted.host AND p.parked AND NOT p.given_up AND p.claimed_by IS NULL AND p.next_at <= ${NOW}
    ORDER BY p.next_at LIMIT wanted.rows FOR UPDATE SKIP LOCKED
  ) picked
)
UPDATE outbox o SET claimed_by = $1 FROM due WHERE ${keyed('o.callback_id', 'due.callback_id')}
RETURNING ${COLUMNS}`,
};

/** Claims parked callbacks that are due, at most `rows` of each host named. */
export function claimParked(
  db: Queryable,
  claim: { epoch: number; nowMs: number; wanted: readonly { host: string; rows: number }[] },
): Promise<Callback[]> {
  const hosts = claim.wanted.map((wanted) => wanted.host);
  const rows = claim.wanted.map((wanted) => wanted.rows);
  return db.query<Callback>(CLAIM_PARKED, [claim.epoch, claim.nowMs, hosts, rows]);
}

const NEXT_HOST = (after: string) =>
  `(SELECT o.host FROM outbox o WHERE o.parked AND NOT o.given_up AND o.host > ${after} ORDER BY o.host LIMIT 1)`;

const PARKED_HOSTS: Statement = {
  name: 'outbox-parked-hosts',
  text: `
WITH RECURSIVE hosts (host, place) AS (
  SELECT ${NEXT_HOST('$1::text')}, 1
  UNION ALL
  SELECT ${NEXT_HOST('hosts.host')}, place + 1 FROM hosts WHERE hosts.host IS NOT NULL AND place < $3
)
SELECT host, EXISTS (
  SELECT FROM outbox p
  WHERE p.host = hosts.host AND p.parked AND NOT p.given_up AND p.claimed_by IS NULL AND p.next_at <= ${NOW}
) AS due
FROM hosts WHERE host IS NOT NULL`,
};

/** One page of the hosts that have parked callbacks, in order, from after `after` ('' for the start). */
export function parkedHosts(
  db: Queryable,
  page: { after: string; nowMs: number; limit: number },
): Promise<{ host: string; due: boolean }[]> {
  return db.query(PARKED_HOSTS, [page.after, page.nowMs, page.limit]);
}

/** A claim, as its holder names it. */
export interface Claim {
  readonly callbackId: number;
  readonly epoch: number;
}

// `claimed_by + 0` keeps the planner from looking each row up among all claims of the epoch, which is quadratic
// (measured: 120 ms instead of 7 ms for 430 rows).
const CLAIMS = 'unnest($1::bigint[], $2::int[])';

const ids = (claims: readonly Claim[]) => claims.map((claim) => claim.callbackId);
const epochs = (claims: readonly Claim[]) => claims.map((claim) => claim.epoch);

const PARK: Statement = {
  name: 'outbox-park',
  text: `UPDATE outbox o SET parked = true, claimed_by = NULL FROM ${CLAIMS} AS c (callback_id, epoch)
         WHERE ${keyed('o.callback_id', 'c.callback_id')} AND o.claimed_by + 0 = c.epoch`,
};

/** Moves claimed callbacks, untried, to the parked lane of their host. */
export async function park(db: Queryable, claims: readonly Claim[]): Promise<void> {
  await db.query(PARK, [ids(claims), epochs(claims)]);
}

const RELEASE: Statement = {
  name: 'outbox-release',
  text: `UPDATE outbox o SET claimed_by = NULL FROM ${CLAIMS} AS c (callback_id, epoch)
         WHERE ${keyed('o.callback_id', 'c.callback_id')} AND o.claimed_by + 0 = c.epoch`,
};

/** Gives claims back; the callbacks stay in their lane. */
export async function release(db: Queryable, claims: readonly Claim[]): Promise<void> {
  await db.query(RELEASE, [ids(claims), epochs(claims)]);
}

const RELEASE_STRAYS: Statement = {
  name: 'outbox-release-strays',
  text: 'UPDATE outbox SET claimed_by = NULL WHERE claimed_by = $1 AND callback_id <> ALL ($2::bigint[])',
};

/** Frees callbacks that a living epoch claimed without knowing it, because the answer to its claim was lost. */
export async function releaseStrays(db: Queryable, epoch: number, known: readonly number[]): Promise<void> {
  await db.query(RELEASE_STRAYS, [epoch, known]);
}

const RELEASE_EPOCH: Statement = {
  name: 'outbox-release-epoch',
  text: 'UPDATE outbox SET claimed_by = NULL WHERE claimed_by = $1',
};

/** Frees everything a dead epoch had claimed. */
export async function releaseCallbacksOf(db: Queryable, epoch: number): Promise<void> {
  await db.query(RELEASE_EPOCH, [epoch]);
}

/** An attempt that the customer's server answered with 200. */
export interface Delivered extends Claim {
  readonly atMs: number;
}

const RECORD_DELIVERED: Statement = {
  name: 'outbox-record-delivered',
  text: `
WITH done AS (
  DELETE FROM outbox o USING unnest($1::bigint[], $2::int[], $3::float8[]) AS d (callback_id, epoch, at_ms)
  WHERE ${keyed('o.callback_id', 'd.callback_id')} AND o.claimed_by + 0 = d.epoch
  RETURNING o.msgid, d.at_ms
)
INSERT INTO message_events (msgid, at, kind, status)
SELECT msgid, to_timestamp(at_ms / 1000.0), 'callback', 200 FROM done WHERE msgid IS NOT NULL AND $4`,
};

/** Ends callbacks. `withEvents` false leaves the messages' lives alone (their partition may be gone). */
export async function recordDelivered(
  db: Queryable,
  delivered: readonly Delivered[],
  withEvents: boolean,
): Promise<void> {
  await db.query(RECORD_DELIVERED, [ids(delivered), epochs(delivered), delivered.map((one) => one.atMs), withEvents]);
}

export interface Failed extends Claim {
  readonly atMs: number;
  /** What the server answered; undefined when it did not. */
  readonly status: number | undefined;
  readonly detail: string;
  readonly nextAtMs: number;
  /** False when the host was not asked. */
  readonly tried: boolean;
}

const RECORD_FAILED: Statement = {
  name: 'outbox-record-failed',
  text: `
WITH tried AS (
  UPDATE outbox o
  SET parked = true, claimed_by = NULL, attempts = least(o.attempts + f.tries, 32767),
      next_at = least(to_timestamp(f.next_ms / 1000.0), o.give_up_at),
      given_up = to_timestamp(f.at_ms / 1000.0) >= o.give_up_at
  FROM unnest($1::bigint[], $2::int[], $3::float8[], $4::int[], $5::text[], $6::float8[], $7::int[])
    AS f (callback_id, epoch, at_ms, status, detail, next_ms, tries)
  WHERE ${keyed('o.callback_id', 'f.callback_id')} AND o.claimed_by + 0 = f.epoch
  RETURNING o.msgid, o.given_up, f.at_ms, f.status, f.detail
)
INSERT INTO message_events (msgid, at, kind, status, detail)
SELECT msgid, to_timestamp(at_ms / 1000.0), 'callback', status, detail || CASE WHEN given_up THEN '; given up' ELSE '' END
FROM tried WHERE msgid IS NOT NULL AND $8`,
};

/**
 * Parks callbacks until their next try, which is at `give_up_at` at the latest; a try at or after that time was
 * the last, and the callback stays as given up.
 */
export async function recordFailed(db: Queryable, failed: readonly Failed[], withEvents: boolean): Promise<void> {
  await db.query(RECORD_FAILED, [
    ids(failed),
    epochs(failed),
    failed.map((one) => one.atMs),
    failed.map((one) => one.status ?? null) as (number | null)[],
    failed.map((one) => one.detail),
    failed.map((one) => one.nextAtMs),
    failed.map((one) => (one.tried ? 1 : 0)),
    withEvents,
  ]);
}
