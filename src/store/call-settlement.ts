/**
 * The end of calls: final state, refund of what was reserved and not used, callback owed, ledger and events in one
 * statement, so that none can happen without the others. Only a claim's holder can end a call, and only once.
 */
import type { CallState } from '../domain/voice-codes.ts';
import type { Queryable, Statement } from './database.ts';
import { keyed } from './keyed.ts';

export interface EndedCall {
  readonly msgid: number;
  readonly epoch: number;
  /** Of this epoch's. */
  readonly claim: number;
  readonly state: CallState;
  /** Charged seconds; 0 unless answered. */
  readonly seconds: number;
  /** What the seconds cost; no more than what was reserved is charged. */
  readonly points: number;
  readonly answeredAtMs: number | undefined;
  readonly doneAtMs: number;
  readonly reason: string | undefined;
}

export interface SettledCall {
  readonly msgid: number;
  readonly state: CallState;
}

/** How long a callback is tried (design, promise 7). */
const CALLBACK_LIFE = "interval '24 hours'";
const NOW = 'to_timestamp($1 / 1000.0)';

const SETTLE: Statement = {
  name: 'settle-calls',
  text: `
WITH input AS (
  SELECT * FROM unnest($2::bigint[], $3::int[], $4::text[], $5::int[], $6::int[], $7::float8[], $8::float8[], $9::text[], $11::int[])
    AS r (msgid, epoch, state, seconds, used, answered_ms, done_ms, reason, claim)
), gone AS (
  DELETE FROM call_queue q USING input i WHERE ${keyed('q.msgid', 'i.msgid')} AND q.claimed_by = i.epoch AND q.claim = i.claim
  RETURNING i.*
), final AS (
  UPDATE calls c
  SET state = g.state, seconds = g.seconds, refunded = c.points - least(g.used, c.points), reason = g.reason,
      answered_at = to_timestamp(g.answered_ms / 1000.0), done_at = to_timestamp(g.done_ms / 1000.0)
  FROM gone g WHERE c.msgid = g.msgid AND c.state IS NULL
  RETURNING c.*
), owed AS (
  INSERT INTO outbox (kind, account_id, msgid, url, host, mobile, state, done_at, payload, created_at, next_at, give_up_at)
  SELECT 'call', account_id, msgid, response, lower(substring(response FROM '^[A-Za-z]+://([^/?#]+)')), phone, state, done_at,
         json_build_object('seconds', seconds, 'points', points - refunded)::text, ${NOW}, ${NOW}, ${NOW} + ${CALLBACK_LIFE}
  FROM final WHERE response IS NOT NULL AND NOT $10::boolean
), refunds AS (
  SELECT account_id, sum(refunded)::bigint AS points FROM final WHERE refunded > 0 GROUP BY account_id
), held AS (
  SELECT account_id FROM accounts WHERE account_id IN (SELECT account_id FROM refunds)
  ORDER BY account_id FOR NO KEY UPDATE
), credited AS (
  UPDATE accounts a SET balance = a.balance + r.points FROM refunds r JOIN held USING (account_id)
  WHERE a.account_id = r.account_id
), noted AS (
  INSERT INTO ledger (account_id, at, kind, points, messages, first_msgid, last_msgid)
  SELECT account_id, ${NOW}, 'refund', refunded, 1, msgid, msgid FROM final WHERE refunded > 0
), told AS (
  INSERT INTO message_events (msgid, at, kind, detail)
  SELECT msgid, ${NOW}, 'settled',
         state || ', ' || seconds || ' s, ' || (points - refunded) || ' of ' || points || ' points' || coalesce(': ' || reason, '')
  FROM final WHERE NOT $10::boolean
)
SELECT msgid, state FROM final`,
};

/**
 * Ends calls that their epochs still hold; gives those that it ended.
 * @param options.bare state and points only: no callback, no event
 */
export function settleCalls(
  db: Queryable,
  nowMs: number,
  ended: readonly EndedCall[],
  options: { bare: boolean } = { bare: false },
): Promise<SettledCall[]> {
  return db.query<SettledCall>(SETTLE, [
    nowMs,
    ended.map((call) => call.msgid),
    ended.map((call) => call.epoch),
    ended.map((call) => call.state),
    ended.map((call) => call.seconds),
    ended.map((call) => call.points),
    ended.map((call) => call.answeredAtMs ?? null),
    ended.map((call) => call.doneAtMs),
    ended.map((call) => call.reason ?? null),
    options.bare,
    ended.map((call) => call.claim),
  ]);
}
