/**
 * The wide partitions of messages and message_events, made ahead of the msgids and dropped once every row is
 * final and older than the retention.
 */
import type { Database, Queryable, Statement } from './database.ts';

/** Few and wide: forty narrow partitions doubled the cost of the final update, a handful costs nothing. */
const PARTITION_MSGIDS = 10_000_000;
/** An hour at 8,000 messages/s is 28.8 million ids. */
const PARTITIONS_AHEAD = 4;

const POSITION: Statement = {
  name: 'msgid-position',
  text: 'SELECT CASE WHEN is_called THEN last_value + 1000 ELSE last_value END AS next FROM msgid_blocks',
};

const PARTITIONS: Statement = {
  name: 'message-partitions',
  text: `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'messages'::regclass ORDER BY c.relname`,
};

/** The next msgid that will be handed out in a new block, for the metric of what is left. */
export async function nextMsgid(db: Queryable): Promise<number> {
  const [row] = await db.query<{ next: number }>(POSITION, []);
  return row?.next ?? 0;
}

function partitionName(table: string, first: number): string {
  return `${table}_${String(first).padStart(11, '0')}`;
}

const ONE_AT_A_TIME: Statement = {
  name: 'partitions-lock',
  text: "SELECT pg_advisory_xact_lock(hashtext('feige partitions'))",
};

/** Makes the partitions that the next hour at peak may need; nodes that do it at once wait for each other. */
export async function makePartitions(database: Database): Promise<void> {
  await database.transaction(async (tx) => {
    await tx.query(ONE_AT_A_TIME, []);
    const current = Math.floor((await nextMsgid(tx)) / PARTITION_MSGIDS) * PARTITION_MSGIDS;
    const existing = new Set((await tx.query<{ name: string }>(PARTITIONS, [])).map((row) => row.name));
    for (let ahead = 0; ahead < PARTITIONS_AHEAD; ahead += 1) {
      const first = current + ahead * PARTITION_MSGIDS;
      if (!existing.has(partitionName('messages', first))) await makePartition(tx, first);
    }
  });
}

async function makePartition(tx: Queryable, first: number): Promise<void> {
  for (const [table, storage] of [
    ['messages', 'fillfactor = 80, autovacuum_vacuum_scale_factor = 0.1'],
    ['message_events', 'fillfactor = 100'],
  ] as const) {
    const name = partitionName(table, first);
    const text = `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF ${table} FOR VALUES FROM (${first}) TO (${first + PARTITION_MSGIDS}) WITH (${storage})`;
    await tx.query({ name: `make-${name}`, text }, []);
  }
}

/**
 * Drops partitions in which every message is final and older than `beforeMs`, all msgids of which were handed
 * out. Gives the names of the dropped ones.
 */
export async function dropOldPartitions(database: Database, beforeMs: number): Promise<string[]> {
  const next = await nextMsgid(database);
  const dropped: string[] = [];
  for (const { name } of await database.query<{ name: string }>(PARTITIONS, [])) {
    const first = Number(name.slice(-11));
    if (first + PARTITION_MSGIDS > next) continue;
    const [kept] = await database.query<{ kept: boolean }>(
      {
        name: `kept-${name}`,
        text: `SELECT EXISTS (SELECT FROM ${name} WHERE state IS NULL OR accepted_at >= to_timestamp($1 / 1000.0)) AS kept`,
      },
      [beforeMs],
    );
    if (kept?.kept !== false) continue;
    for (const table of ['message_events', 'messages']) {
      const partition = partitionName(table, first);
      await database.query({ name: `drop-${partition}`, text: `DROP TABLE IF EXISTS ${partition}` }, []);
    }
    dropped.push(name);
  }
  return dropped;
}
