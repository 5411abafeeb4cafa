/**
 * The tail that every statement which ends messages shares: final state, callback owed, refund, ledger and
 * event in the same statement, so that none can happen without the others.
 */

/** Sorted by weight: the state of a long message is the greatest of its segments' (DELIVRD only if all are). */
export const STATE_ORDINALS = [
  'DELIVRD',
  'ACCEPTD',
  'UNKNOWN',
  'DELETED',
  'EXPIRED',
  'UNDELIV',
  'REJECTD',
  'OTERROR',
  'SYNTAXE',
  'MSGERROR',
  'MOBERROR',
  'REJMOBIL',
  'REJERROR',
] as const;

/** SQL that turns a state into its ordinal (1 for DELIVRD) and back. */
export const ORDINAL_OF = (state: string) => `array_position(ARRAY['${STATE_ORDINALS.join("','")}'], ${state})`;
export const STATE_OF = (ordinal: string) => `(ARRAY['${STATE_ORDINALS.join("','")}'])[${ordinal}]`;

/** How long a callback is tried (design, promise 7). */
const CALLBACK_LIFE = "interval '24 hours'";

/**
 * CTEs that follow one named `verdicts (msgid, state, done_ms, refund, correctable)`. `now` is the SQL of the current
 * time. A verdict on a message that has its final state changes nothing, unless that state was UNKNOWN by time-out
 * (spec README point 16); that one is never refunded, so no refund can happen twice. Leaves `final (msgid, account_id,
 * state, accepted_at, …)` and `owed` for the statement to read. `holder` is the SQL of the epoch that has the callbacks
 * claimed from the start, but for those of `fullHosts` (store/outbox, CallbackHolder). The host of a drurl (normalised
 * at acceptance) is cut out by split_part: a regular expression took 4.5 of 55 µs a row.
 */
export function settling(now: string, holder = 'NULL::int', fullHosts = "'{}'::text[]"): string {
  return `
final AS (
  UPDATE messages m
  SET state = v.state,
      done_at = to_timestamp(v.done_ms / 1000.0),
      correctable = v.correctable,
      refunded = CASE WHEN v.refund AND NOT v.correctable AND m.refunded = 0 THEN m.points ELSE m.refunded END
  FROM verdicts v
  WHERE m.msgid = v.msgid AND (m.state IS NULL OR (m.correctable AND NOT v.correctable))
  RETURNING m.msgid, m.account_id, m.drurl, m.mobile, m.state, m.done_at, m.accepted_at, m.points, m.refunded, v.refund
), owed AS (
  INSERT INTO outbox (kind, account_id, msgid, url, host, mobile, state, done_at, created_at, next_at, give_up_at, claimed_by)
  SELECT 'receipt', account_id, msgid, drurl, host, mobile, state, done_at, ${now}, ${now}, ${now} + ${CALLBACK_LIFE},
         CASE WHEN host <> ALL (${fullHosts}) THEN ${holder} END
  FROM (SELECT *, lower(split_part(split_part(drurl, '/', 3), '?', 1)) AS host FROM final WHERE drurl IS NOT NULL) AS addressed
  RETURNING callback_id, kind, url, host, attempts, msgid, mobile, state, done_at, give_up_at, claimed_by
), refunds AS (
  SELECT account_id, sum(refunded)::bigint AS points FROM final WHERE refund AND refunded > 0 GROUP BY account_id
), held AS (
  SELECT account_id FROM accounts
  WHERE account_id IN (SELECT account_id FROM refunds)
  ORDER BY account_id
  FOR NO KEY UPDATE
), credited AS (
  UPDATE accounts a
  SET balance = a.balance + r.points
  FROM refunds r JOIN held USING (account_id)
  WHERE a.account_id = r.account_id
), noted AS (
  INSERT INTO ledger (account_id, at, kind, points, messages, first_msgid, last_msgid)
  SELECT account_id, ${now}, 'refund', refunded, 1, msgid, msgid FROM final WHERE refund AND refunded > 0
), told AS (
  INSERT INTO message_events (msgid, at, kind, detail)
  SELECT msgid, ${now}, 'refund', refunded || CASE refunded WHEN 1 THEN ' point' ELSE ' points' END
  FROM final WHERE refund AND refunded > 0
)`;
}

/**
 * What the last SELECT of a settling statement gives: how many messages ended in each state, and how long each took.
 */
export interface SettledRow {
  readonly state: string;
  readonly count: number;
  readonly latencies_ms: number[];
}

export const SETTLED = (now: string) => `
  SELECT state, count(*)::int AS count,
         array_agg((extract(epoch FROM ${now} - accepted_at) * 1000)::int) AS latencies_ms
  FROM final GROUP BY state`;
