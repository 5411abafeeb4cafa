/**
 * The wide partitions of messages and message_events, made ahead of the msgids and dropped once every row is
 * final and older than the retention.
 */
import { LAST_MSGID } from './msgids.ts';
import type { Database, Queryable, Statement } from './database.ts';

/** Few and wide: forty narrow partitions doubled the cost of the final update; a handful costs nothing extra. */
const PARTITION_MSGIDS = 10_000_000;
/** An hour at 8,000 messages/s is 28.8 million ids. */
const PARTITIONS_AHEAD = 4;

/**
 * New statistics when a partition has doubled: with every tenth of growth they were the most expensive work of a young
 * database.
 */
const ANALYSES = 'autovacuum_analyze_scale_factor = 1';

const PARTITIONED = [
  { name: 'messages', storage: `fillfactor = 80, autovacuum_vacuum_scale_factor = 0.1, ${ANALYSES}` },
  { name: 'message_events', storage: `fillfactor = 100, ${ANALYSES}` },
  { name: 'calls', storage: `fillfactor = 80, autovacuum_vacuum_scale_factor = 0.1, ${ANALYSES}` },
] as const;

const POSITION: Statement = {
  name: 'msgid-position',
  text: 'SELECT CASE WHEN is_called THEN last_value + 1000 ELSE last_value END AS next FROM msgid_blocks',
};

const PARTITIONS: Statement = {
  name: 'message-partitions',
  text: `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent IN ('messages'::regclass, 'message_events'::regclass, 'calls'::regclass) ORDER BY c.relname`,
};

/** The next msgid that will be handed out in a new block, for the metric of what is left. */
export async function nextMsgid(db: Queryable): Promise<number> {
  const [row] = await db.query<{ next: number }>(POSITION, []);
  return row?.next ?? 0;
}

function partitionName(table: string, first: number): string {
  return `${table}_${String(first).padStart(11, '0')}`;
}

/** A drop locks the whole table: it is given up, and tried again a minute later, rather than hold up acceptance. */
const BE_BRIEF: Statement = { name: 'partitions-brief', text: "SET LOCAL lock_timeout = '1s'" };

const ONE_AT_A_TIME: Statement = {
  name: 'partitions-lock',
  text: "SELECT pg_advisory_xact_lock(hashtext('feige partitions'))",
};

/**
 * Makes the partitions that the next hour at peak may need, none beyond the last msgid; nodes that do it at once wait
 * for each other.
 */
export async function makePartitions(database: Database): Promise<void> {
  await database.transaction(async (tx) => {
    await tx.query(ONE_AT_A_TIME, []);
    const current = Math.floor((await nextMsgid(tx)) / PARTITION_MSGIDS) * PARTITION_MSGIDS;
    const existing = new Set((await tx.query<{ name: string }>(PARTITIONS, [])).map((row) => row.name));
    for (let ahead = 0; ahead < PARTITIONS_AHEAD; ahead += 1) {
      const first = current + ahead * PARTITION_MSGIDS;
      if (first > LAST_MSGID) break;
      for (const table of PARTITIONED) {
        if (!existing.has(partitionName(table.name, first))) await makePartition(tx, table, first);
      }
    }
  });
}

/** Made beside its table and attached: `PARTITION OF` would wait for every reader, and make every writer wait. */
async function makePartition(tx: Queryable, table: (typeof PARTITIONED)[number], first: number): Promise<void> {
  const name = partitionName(table.name, first);
  const make = `CREATE TABLE ${name} (LIKE ${table.name} INCLUDING ALL) WITH (${table.storage})`;
  const attach = `ALTER TABLE ${table.name} ATTACH PARTITION ${name} FOR VALUES FROM (${first}) TO (${first + PARTITION_MSGIDS})`;
  await tx.query({ name: `make-${name}`, text: make }, []);
  await tx.query({ name: `attach-${name}`, text: attach }, []);
}

export interface DroppedPartitions {
  readonly dropped: readonly string[];
  /** Partitions that are old enough to drop but do not agree with the ledger: they are evidence, so they stay. */
  readonly disagreeing: readonly string[];
}

/**
 * Drops partitions in which every message is final and older than `beforeMs`, and all msgids of which were handed out,
 * once their charges and refunds have been found to agree with the ledger, which keeps their sums.
 */
export async function dropOldPartitions(database: Database, beforeMs: number): Promise<DroppedPartitions> {
  const next = await nextMsgid(database);
  const dropped: string[] = [];
  const disagreeing: string[] = [];
  const existing = (await database.query<{ name: string }>(PARTITIONS, [])).map((row) => row.name);
  for (const name of existing.filter((partition) => /^messages_\d+$/.test(partition))) {
    const first = Number(name.slice(-11));
    if (first + PARTITION_MSGIDS > next) continue;
    // For msgids that were handed out before voice existed, there is no partition of calls.
    const charged = [name, partitionName('calls', first)].filter((partition) => existing.includes(partition));
    if (await holdsSomething(database, charged, beforeMs)) continue;
    if (!(await agreesWithLedger(database, charged, first))) {
      disagreeing.push(name);
      continue;
    }
    await database.transaction(async (tx) => {
      await tx.query(BE_BRIEF, []);
      for (const table of PARTITIONED) {
        const partition = partitionName(table.name, first);
        await tx.query({ name: `drop-${partition}`, text: `DROP TABLE IF EXISTS ${partition}` }, []);
      }
    });
    dropped.push(name);
  }
  return { dropped, disagreeing };
}

async function holdsSomething(database: Database, partitions: readonly string[], beforeMs: number): Promise<boolean> {
  for (const partition of partitions) {
    const text = `SELECT EXISTS (SELECT FROM ${partition} WHERE state IS NULL OR accepted_at >= to_timestamp($1 / 1000.0)) AS holds`;
    const [row] = await database.query<{ holds: boolean }>({ name: `holds-${partition}`, text }, [beforeMs]);
    if (row?.holds !== false) return true;
  }
  return false;
}

/** A batch's msgids come from one block of a thousand, so that no ledger row leads over a partition's edge. */
async function agreesWithLedger(database: Database, partitions: readonly string[], first: number): Promise<boolean> {
  const stored = partitions
    .map((partition) => `SELECT account_id, points, refunded FROM ${partition}`)
    .join(' UNION ALL ');
  const text = `
SELECT EXISTS (
  SELECT FROM (SELECT account_id, sum(points) AS charged, sum(refunded) AS refunded FROM (${stored}) s GROUP BY account_id) m
  FULL JOIN (
    SELECT account_id, -coalesce(sum(points) FILTER (WHERE kind = 'charge'), 0) AS charged,
           coalesce(sum(points) FILTER (WHERE kind = 'refund'), 0) AS refunded
    FROM ledger WHERE first_msgid >= $1 AND first_msgid < $2 GROUP BY account_id
  ) l USING (account_id)
  WHERE m.charged IS DISTINCT FROM l.charged OR m.refunded IS DISTINCT FROM l.refunded
) AS differs`;
  const parameters = [first, first + PARTITION_MSGIDS];
  const [row] = await database.query<{ differs: boolean }>({ name: `agrees-${first}`, text }, parameters);
  return row?.differs === false;
}
