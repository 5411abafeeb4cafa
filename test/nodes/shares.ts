/** Whose part of the work is whose, as the database has it. */
import type { Queryable } from '../../src/store/database.ts';
import { eventually } from '../harness/sms-node.ts';

/** Epochs of the living nodes, the oldest first. */
export async function livingEpochs(database: Queryable): Promise<number[]> {
  const text = 'SELECT epoch FROM nodes WHERE deadline > clock_timestamp() ORDER BY epoch';
  return (await database.query<{ epoch: number }>({ name: 'nodes.epochs', text }, [])).map(({ epoch }) => epoch);
}

/** Bound links of each node, by its epoch. */
export async function boundLinks(database: Queryable): Promise<Map<number, number>> {
  const text = 'SELECT epoch, count(*)::int AS n FROM link_slots WHERE bound GROUP BY epoch ORDER BY epoch';
  const rows = await database.query<{ epoch: number; n: number }>({ name: 'nodes.links', text }, []);
  return new Map(rows.map(({ epoch, n }) => [epoch, n]));
}

/** What nobody else may touch while the node lives. */
export interface Held {
  readonly messages: number;
  readonly calls: number;
  readonly callbacks: number;
  readonly links: number;
}

/** Until the node has messages in its hands, and calls of which not all end in the next moment. */
export async function untilBusy(database: Queryable, epoch: number): Promise<void> {
  await eventually('messages and calls of the node', async () => {
    const { messages, calls } = await heldBy(database, epoch);
    return messages > 0 && calls > 1 ? true : undefined;
  });
}

export async function heldBy(database: Queryable, epoch: number): Promise<Held> {
  const text = `SELECT (SELECT count(*) FROM queue WHERE claimed_by = $1)::int AS messages,
    (SELECT count(*) FROM call_queue WHERE claimed_by = $1)::int AS calls,
    (SELECT count(*) FROM outbox WHERE claimed_by = $1)::int AS callbacks,
    (SELECT count(*) FROM link_slots WHERE epoch = $1)::int AS links`;
  const [held] = await database.query<Held>({ name: 'nodes.held', text }, [epoch]);
  if (held === undefined) throw new Error('a count without a row');
  return held;
}
