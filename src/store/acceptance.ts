/**
 * The one statement that charges, stores and enqueues a batch of messages, and a form of it that is safe to run again
 * after a connection was lost in COMMIT.
 */
import { acceptAgain } from './accept-again.ts';
import type { RejectedRow } from './charged-batches.ts';
import type { Queryable, StageConnection, Statement } from './database.ts';
import { LIVING_EPOCH } from './node-lease.ts';
import { CLAIM_OF_THIS_TRANSACTION } from './queue.ts';

export interface AcceptRow {
  readonly msgid: number;
  readonly accountId: number;
  readonly accountVersion: number;
  readonly mobile: string;
  readonly body: string;
  readonly segments: number;
  readonly points: number;
  /** Points of this account's rows up to and with this one; the balance must cover it. */
  readonly runningPoints: number;
  /** Segments of this account at this operator up to and with this one; its place in the fair order. */
  readonly runningSegments: number;
  readonly dueAtMs: number | undefined;
  readonly validitySeconds: number;
  readonly drurl: string | undefined;
  readonly operatorId: number;
  readonly sourceAddress: string | undefined;
  /** Whether it is claimed from the start, for the epoch given. */
  readonly claimed: boolean;
}

const INPUT = `
  input AS MATERIALIZED (
    SELECT * FROM unnest($2::bigint[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::smallint[], $8::int[], $9::bigint[],
      $10::bigint[], $11::float8[], $12::int[], $13::text[], $14::smallint[], $15::text[], $16::boolean[])
    AS r(msgid, account_id, account_version, mobile, body, segments, points, running_points, running_segments, due_ms, validity_s,
      drurl, operator_id, source_address, claimed)
  )`;

const NOW = 'to_timestamp($1 / 1000.0)';

/**
 * Rows are joined to tables by their keys and never to each other: the planner knows nothing about two lists and would
 * compare each row with each (measured with 500 accounts in a batch: 137 microseconds a row instead of 29).
 */
const ACCEPT_BATCH: Statement = {
  name: 'accept-batch',
  text: `
WITH ${INPUT}, judged AS MATERIALIZED (
  SELECT input.*, a.balance, a.share,
         a.version <> input.account_version OR o.operator_id IS NULL AS stale,
         a.version = input.account_version AND o.operator_id IS NOT NULL AND input.running_points <= a.balance AS good
  FROM input JOIN accounts a USING (account_id) LEFT JOIN operators o ON o.operator_id = input.operator_id
  ORDER BY account_id
  FOR NO KEY UPDATE OF a
), good AS MATERIALIZED (
  SELECT * FROM judged WHERE good
), charges AS (
  SELECT account_id, sum(points)::bigint AS points, count(*)::int AS messages, min(msgid) AS first_msgid, max(msgid) AS last_msgid
  FROM good GROUP BY account_id
), charged AS (
  UPDATE accounts a SET balance = a.balance - c.points FROM charges c WHERE a.account_id = c.account_id
), noted AS (
  INSERT INTO ledger (account_id, at, kind, points, messages, first_msgid, last_msgid)
  SELECT account_id, ${NOW}, 'charge', -points, messages, first_msgid, last_msgid FROM charges
), stored AS (
  INSERT INTO messages (msgid, account_id, accepted_at, due_at, expires_at, scheduled, mobile, body, segments, points, drurl)
  SELECT msgid, account_id, ${NOW}, coalesce(to_timestamp(due_ms / 1000.0), ${NOW}),
         coalesce(to_timestamp(due_ms / 1000.0), ${NOW}) + make_interval(secs => validity_s),
         due_ms IS NOT NULL, mobile, body, segments, points, drurl
  FROM good
), totals AS (
  SELECT operator_id, account_id, share, max(running_segments) AS segments
  FROM good WHERE due_ms IS NULL GROUP BY operator_id, account_id, share
), base AS MATERIALIZED (
  SELECT t.operator_id, t.account_id, t.share, t.segments, greatest(o.rank, coalesce(f.rank, 0)) AS rank
  FROM totals t JOIN operators o USING (operator_id) LEFT JOIN fair_ranks f USING (operator_id, account_id)
), ranks AS (
  INSERT INTO fair_ranks AS f (operator_id, account_id, rank)
  SELECT operator_id, account_id, rank + segments / share FROM base ORDER BY operator_id, account_id
  ON CONFLICT (operator_id, account_id) DO UPDATE SET rank = greatest(f.rank, EXCLUDED.rank)
), queued AS (
  INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, source_address, accepted_at, expires_at, claimed_by)
  SELECT g.msgid, g.operator_id, greatest(o.rank, coalesce(f.rank, 0)) + g.running_segments / g.share, g.account_id, g.mobile, g.body,
         g.segments, g.source_address, ${NOW}, ${NOW} + make_interval(secs => g.validity_s),
         CASE WHEN g.claimed THEN ${LIVING_EPOCH('$17')} END
  FROM good g JOIN operators o USING (operator_id) LEFT JOIN fair_ranks f USING (operator_id, account_id)
  WHERE g.due_ms IS NULL
  RETURNING operator_id, rank, claimed_by
), scheduled AS (
  INSERT INTO deferred (msgid, due_at, why, operator_id, account_id, mobile, body, segments, source_address, accepted_at, expires_at)
  SELECT msgid, to_timestamp(due_ms / 1000.0), 'scheduled', operator_id, account_id, mobile, body, segments, source_address, ${NOW},
         to_timestamp(due_ms / 1000.0) + make_interval(secs => validity_s)
  FROM good WHERE due_ms IS NOT NULL
)
SELECT msgid, stale, balance, NULL AS "operatorId", NULL AS rank, NULL AS claim FROM judged WHERE NOT good
UNION ALL
SELECT NULL, NULL, NULL, operator_id, max(rank), ${CLAIM_OF_THIS_TRANSACTION}
FROM queued WHERE claimed_by IS NOT NULL GROUP BY operator_id`,
};

export interface AcceptedBatch {
  readonly rejected: readonly RejectedRow[];
  /** Of each operator that has claimed rows: their highest rank, and the claim they have in common. */
  readonly claimed: ReadonlyMap<number, { readonly rank: number; readonly claim: number }>;
}

type AnswerRow =
  | (RejectedRow & { operatorId: null })
  | { readonly operatorId: number; readonly rank: number; readonly claim: number };

/**
 * Charges, stores and enqueues what the balances cover; gives the rows it did not take, with the reason. Rows marked as
 * claimed belong to `epoch` from the start; if that has ended by now, they wait for a claim like the others.
 */
export async function acceptBatch(
  db: Queryable,
  nowMs: number,
  rows: readonly AcceptRow[],
  epoch?: number,
): Promise<AcceptedBatch> {
  const answer = await db.query<AnswerRow>(ACCEPT_BATCH, [
    nowMs,
    rows.map((row) => row.msgid),
    rows.map((row) => row.accountId),
    rows.map((row) => row.accountVersion),
    rows.map((row) => row.mobile),
    rows.map((row) => row.body),
    rows.map((row) => row.segments),
    rows.map((row) => row.points),
    rows.map((row) => row.runningPoints),
    rows.map((row) => row.runningSegments),
    rows.map((row) => row.dueAtMs ?? null),
    rows.map((row) => row.validitySeconds),
    rows.map((row) => row.drurl ?? null),
    rows.map((row) => row.operatorId),
    rows.map((row) => row.sourceAddress ?? null),
    rows.map((row) => row.claimed),
    epoch ?? null,
  ]);
  const rejected: RejectedRow[] = [];
  const claimed = new Map<number, { rank: number; claim: number }>();
  for (const row of answer) {
    if (row.operatorId === null) rejected.push(row);
    else claimed.set(row.operatorId, { rank: row.rank, claim: row.claim });
  }
  return { rejected, claimed };
}

const STORED_MSGIDS: Statement = {
  name: 'stored-msgids',
  text: 'SELECT msgid FROM messages WHERE msgid = ANY ($1::bigint[])',
};

/** The same batch once more, after its outcome was lost; nothing of it is claimed. */
export function acceptBatchAgain(
  connection: StageConnection,
  nowMs: number,
  rows: readonly AcceptRow[],
): Promise<readonly RejectedRow[]> {
  return acceptAgain(connection, rows, {
    stored: STORED_MSGIDS,
    accept: async (tx, missing) => (await acceptBatch(tx, nowMs, missing)).rejected,
  });
}
