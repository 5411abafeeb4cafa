/**
 * What the metrics ask about the queue: how much waits, which means reading it, and the age of its head, which does
 * not.
 */
import type { Queryable, Statement } from './database.ts';

/** Rows that a count reads at the most (measured: 400 ms for 500,000). */
const MAX_COUNTED = 1_000_000;
/** How many messages at the front are looked at: the next message of every account that sends is among them. */
const HEAD_ROWS = 1_000;

const COUNT: Statement = {
  name: 'queue-count',
  text: `
SELECT o.name AS operator, coalesce(c.depth, 0) AS depth
FROM operators o LEFT JOIN (
  SELECT operator_id, count(*)::int AS depth FROM (SELECT operator_id FROM queue LIMIT $1) AS counted GROUP BY operator_id
) c USING (operator_id)`,
};

/** How much waits for each operator; reads the queue, up to a million messages of it, so ask rarely. */
export function countQueued(
  db: Queryable,
  limit: number = MAX_COUNTED,
): Promise<{ operator: string; depth: number }[]> {
  return db.query(COUNT, [limit]);
}

const HEADS: Statement = {
  name: 'queue-heads',
  text: `
SELECT o.name AS operator,
       greatest(coalesce(extract(epoch FROM to_timestamp($1 / 1000.0) - (
         SELECT min(accepted_at) FROM (
           SELECT q.accepted_at FROM queue q WHERE q.operator_id = o.operator_id
           ORDER BY q.operator_id, q.rank LIMIT ${HEAD_ROWS}
         ) AS head
       )), 0), 0)::float8 AS "headAgeSeconds"
FROM operators o`,
};

/** For each operator, the age of the oldest of the next thousand messages to be sent (measured: 1.3 ms). */
export function queueHeads(db: Queryable, nowMs: number): Promise<{ operator: string; headAgeSeconds: number }[]> {
  return db.query(HEADS, [nowMs]);
}
