/** Nodes of `serve` as processes of their own on one database, what stands around them, and a load. */
import { Database, type Queryable } from '../../src/store/database.ts';
import type { Campaign, Comparison } from '../harness/campaign.ts';
import { type CountingOperator, startCountingOperator } from '../harness/counting-operator.ts';
import { createTestDatabase } from '../harness/database.ts';
import { startSurroundings } from '../harness/operated-platform.ts';
import { makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';

const DRAIN_PATIENCE_MS = 20_000;
const LOOK_PATIENCE_MS = 60_000;

export interface Trial {
  /** A connection that stays. */
  readonly database: Queryable;
  readonly operator: CountingOperator;
  /** Those that requests go to. */
  readonly nodes: PlatformProcess[];
  startNode(): Promise<PlatformProcess>;
  /** Requests go to `nodes`, or to those that `among` names. */
  load(perSecond: number, among?: () => readonly string[]): Campaign;
  /** Ends the load, waits until everything has ended, and compares. */
  finish(campaign: Campaign): Promise<Comparison>;
  /** Of the living nodes, the oldest first. */
  epochs(): Promise<number[]>;
  stop(): Promise<void>;
}

export async function startTrial(options: {
  nodes: number;
  links: number;
  throttle: number;
  answerAfterMs?: number;
  env?: Record<string, string>;
}): Promise<Trial> {
  const testDatabase = await createTestDatabase();
  const database = new Database(testDatabase.url);
  const look = database.stage({ queryTimeoutMs: LOOK_PATIENCE_MS });
  const directory = await makeDataDir();
  const operator = await startCountingOperator(options.answerAfterMs ?? 20);
  const { links, throttle } = options;
  const surroundings = await startSurroundings(database, { links, throttle, operator });
  const nodes: PlatformProcess[] = [];
  const started: PlatformProcess[] = [];
  const startNode = async (): Promise<PlatformProcess> => {
    const env = { ...surroundings.env, ...options.env, DATABASE_URL: testDatabase.url };
    const node = await startPlatformProcess({ dataDir: directory.path, env });
    nodes.push(node);
    started.push(node);
    return node;
  };
  const campaigns: Campaign[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(campaigns.map((campaign) => campaign.stop()));
    for (const node of started) {
      node.child.kill('SIGCONT');
      await node.end('SIGTERM');
    }
    await surroundings.stop();
    await database.stop();
    await testDatabase.drop();
    await directory.remove();
  };
  try {
    for (let n = 0; n < options.nodes; n += 1) await startNode();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    database: look,
    operator,
    nodes,
    startNode,
    load: (perSecond, among = () => nodes.map(({ http }) => http)) => {
      const campaign = surroundings.startCampaign({ nodes: among, perSecond });
      campaigns.push(campaign);
      return campaign;
    },
    finish: async (campaign) => {
      await campaign.stop();
      await campaign.drain(database, () => surroundings.calledBack().size, DRAIN_PATIENCE_MS);
      return campaign.compare(database, surroundings.delivered(), surroundings.calledBack());
    },
    epochs: async () => {
      const text = 'SELECT epoch FROM nodes WHERE deadline > clock_timestamp() ORDER BY epoch';
      return (await look.query<{ epoch: number }>({ name: 'trial-epochs', text }, [])).map(({ epoch }) => epoch);
    },
    stop,
  };
}

/** Bound links of each node, by its epoch. */
export async function boundLinks(database: Queryable): Promise<Map<number, number>> {
  const text = 'SELECT epoch, count(*)::int AS n FROM link_slots WHERE bound GROUP BY epoch ORDER BY epoch';
  const rows = await database.query<{ epoch: number; n: number }>({ name: 'trial-links', text }, []);
  return new Map(rows.map(({ epoch, n }) => [epoch, n]));
}
