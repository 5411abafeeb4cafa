/**
 * Callbacks as an administrator sees them: what waits, what was given up, and sending one again, even one that was
 * delivered and is gone from the outbox.
 */
import type { Database, Queryable, Statement } from './database.ts';

export interface ListedCallback {
  readonly callbackId: number;
  readonly kind: 'receipt' | 'incoming' | 'call';
  readonly username: string | null;
  readonly msgid: number | null;
  readonly url: string;
  /** The final state that it tells. */
  readonly messageState: string | null;
  readonly attempts: number;
  readonly givenUp: boolean;
  readonly createdAtMs: number;
  readonly nextAtMs: number;
  readonly giveUpAtMs: number;
}

const LIST: Statement = {
  name: 'callbacks-list',
  text: `
SELECT o.callback_id::float8 AS "callbackId", o.kind, a.username, o.msgid::float8 AS msgid, o.url, o.state AS "messageState", o.attempts,
       o.given_up AS "givenUp", (extract(epoch FROM o.created_at) * 1000)::float8 AS "createdAtMs",
       (extract(epoch FROM o.next_at) * 1000)::float8 AS "nextAtMs",
       (extract(epoch FROM o.give_up_at) * 1000)::float8 AS "giveUpAtMs"
FROM outbox o LEFT JOIN accounts a USING (account_id)
WHERE ($1::boolean IS NULL OR o.given_up = $1) AND ($2::text IS NULL OR a.username = $2)
ORDER BY o.callback_id LIMIT $3`,
};

/** The oldest `limit` callbacks in that state, of one account when `username` is given. */
export function listCallbacks(
  db: Queryable,
  filter: { state: 'waiting' | 'given-up' | 'all'; username?: string; limit: number },
): Promise<ListedCallback[]> {
  const givenUp = filter.state === 'all' ? null : filter.state === 'given-up';
  return db.query(LIST, [givenUp, filter.username ?? null, filter.limit]);
}

export type Replayed =
  | { readonly kind: 'queued'; readonly callbackIds: readonly number[] }
  /** It is being sent at this moment. */
  | { readonly kind: 'under-way' }
  /** No such callback, or no such message. */
  | { readonly kind: 'not-found' }
  /** The message has no final state yet, or no drurl. */
  | { readonly kind: 'nothing-owed' };

const LIFE = "interval '24 hours'";

const WAKE: Statement = {
  name: 'callbacks-replay',
  text: `
WITH found AS (
  SELECT callback_id, claimed_by FROM outbox WHERE callback_id = $1 OR msgid = $2 ORDER BY callback_id FOR UPDATE
), woken AS (
  UPDATE outbox o
  SET next_at = to_timestamp($3 / 1000.0), give_up_at = to_timestamp($3 / 1000.0) + ${LIFE}, given_up = false, parked = false, attempts = 0
  FROM found WHERE o.callback_id = found.callback_id AND found.claimed_by IS NULL
)
SELECT callback_id::float8 AS "callbackId", claimed_by IS NOT NULL AS claimed FROM found`,
};

const OWE_AGAIN: Statement = {
  name: 'callbacks-owe-again',
  text: `
WITH message AS (
  SELECT 'receipt' AS kind, account_id, msgid, drurl AS url, mobile, state, done_at, NULL AS payload FROM messages WHERE msgid = $1
  UNION ALL
  SELECT 'call', account_id, msgid, response, phone, state, done_at,
         json_build_object('seconds', seconds, 'points', points - refunded)::text FROM calls WHERE msgid = $1
), owed AS (
  INSERT INTO outbox (kind, account_id, msgid, url, host, mobile, state, done_at, payload, created_at, next_at, give_up_at)
  SELECT kind, account_id, msgid, url, lower(substring(url FROM '^[A-Za-z]+://([^/?#]+)')), mobile, state, done_at, payload,
         to_timestamp($2 / 1000.0), to_timestamp($2 / 1000.0), to_timestamp($2 / 1000.0) + ${LIFE}
  FROM message WHERE url IS NOT NULL AND state IS NOT NULL
  RETURNING callback_id
)
SELECT (SELECT callback_id FROM owed)::float8 AS "callbackId" FROM message`,
};

/**
 * Has a callback sent again, now and for another 24 h. By msgid it also brings back one that was delivered
 * already, from the message's final state.
 */
export async function replayCallback(
  db: Database,
  which: { callbackId: number } | { msgid: number },
  nowMs: number,
): Promise<Replayed> {
  const callbackId = 'callbackId' in which ? which.callbackId : null;
  const msgid = 'msgid' in which ? which.msgid : null;
  const found = await db.query<{ callbackId: number; claimed: boolean }>(WAKE, [callbackId, msgid, nowMs]);
  const woken = found.filter((row) => !row.claimed).map((row) => row.callbackId);
  if (woken.length > 0) return { kind: 'queued', callbackIds: woken };
  if (found.length > 0) return { kind: 'under-way' };
  if (msgid === null) return { kind: 'not-found' };
  const [message] = await db.query<{ callbackId: number | null }>(OWE_AGAIN, [msgid, nowMs]);
  if (!message) return { kind: 'not-found' };
  if (message.callbackId === null) return { kind: 'nothing-owed' };
  return { kind: 'queued', callbackIds: [message.callbackId] };
}
