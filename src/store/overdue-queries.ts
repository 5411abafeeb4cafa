/**
 * Segments whose waiting has ended and whose operator can be asked what became of them, once, before they are given up.
 */
import type { Queryable, Statement } from './database.ts';
import { keyed } from './keyed.ts';

export interface AskedSegment {
  /** The operator's id of the segment. */
  readonly id: string;
  readonly operatorId: number;
  readonly mobile: string;
  /** The account's own sender, under which it was submitted; null: the operator's. */
  readonly sourceAddress: string | null;
}

const TAKE: Statement = {
  name: 'take-segments-to-ask-about',
  text: `
WITH picked AS MATERIALIZED (
  SELECT operator_message_id, operator_id FROM in_flight
  WHERE NOT timed_out AND overdue_at <= to_timestamp($1 / 1000.0) AND msgid IS NOT NULL AND receipt_state IS NULL
    AND NOT outcome_unknown AND receipt_attempts = 0 AND operator_id = ANY ($2::smallint[])
  ORDER BY overdue_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE in_flight f
SET receipt_attempts = 1, overdue_at = to_timestamp($1 / 1000.0) + $4 * interval '1 millisecond'
FROM picked p WHERE ${keyed('f.operator_message_id', 'p.operator_message_id')} AND f.operator_id = p.operator_id
RETURNING f.operator_message_id AS id, f.operator_id AS "operatorId", f.mobile,
  (SELECT a.source_address FROM messages m JOIN accounts a USING (account_id) WHERE m.msgid = f.msgid) AS "sourceAddress"`,
};

/** Takes overdue segments of these operators that were not asked about yet; they stay alive for `patienceMs` more. */
export function takeSegmentsToAskAbout(
  db: Queryable,
  question: { nowMs: number; operatorIds: readonly number[]; limit: number; patienceMs: number },
): Promise<AskedSegment[]> {
  return db.query<AskedSegment>(TAKE, [question.nowMs, question.operatorIds, question.limit, question.patienceMs]);
}
