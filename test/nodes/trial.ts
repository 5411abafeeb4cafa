/**
 * Nodes of `serve` on one database under the fault runs' load, messages and calls, behind a load balancer. What a test does
 * to them, everything is compared afterwards as after a fault run.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Queryable } from '../../src/store/database.ts';
import { offences } from '../faults/comparison.ts';
import { inWorld } from '../faults/in-world.ts';
import { type Judgement, judgeRun } from '../faults/judge-run.ts';
import type { InjectedFault } from '../faults/recovery.ts';
import { ACCOUNT, type World, type WorldOptions } from '../faults/world.ts';
import { createTestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/sms-node.ts';
import { Balancer } from './balancer.ts';
import { OperatorLinks } from './operator-links.ts';

const CALLS_PER_SECOND = 6;
const LOOK_PATIENCE_MS = 60_000;
/** So that no crowded machine makes a response late; what is sent twice is what the test did. */
const RESPONSE_TIMEOUT_MS = 5_000;

/** What a test works with while the load is on. */
export interface Scene {
  readonly world: World;
  /** A connection that stays. */
  readonly database: Queryable;
  readonly links: OperatorLinks;
  readonly balancer: Balancer;
  /** For the timeline: what the test did, and when. */
  readonly faults: InjectedFault[];
}

export interface Trial<Seen> extends Judgement {
  /** What the test noted down under load. */
  readonly seen: Seen;
  readonly links: OperatorLinks;
  /** Not sent, since too many waited or no node was ready. */
  readonly held: number;
  /** Segments that went to the operator and whose responses no node can have heard in time. */
  readonly unheard: number;
  readonly unexpectedEnds: readonly string[];
}

export interface TrialOptions {
  readonly messagesPerSecond: number;
  readonly operator: WorldOptions<never>['operator'];
  readonly operatorLatencyMs?: number;
  readonly nodeEnvironment?: Readonly<Record<string, string>>;
}

/** @param steps what is done under load, which ends with them */
export async function tryNodes<Seen extends object>(
  t: TestContext,
  options: TrialOptions,
  steps: (scene: Scene) => Promise<Seen>,
): Promise<Trial<Seen>> {
  const tell = (text: string): void => t.diagnostic(text);
  const links = new OperatorLinks();
  const world = {
    seed: 0,
    unknownPolicy: 'resend',
    makeDatabase: makeSharedDatabase,
    operator: { responseTimeoutMs: RESPONSE_TIMEOUT_MS, ...options.operator },
    ...(options.operatorLatencyMs !== undefined && { operatorLatencyMs: options.operatorLatencyMs }),
    watch: (operator) => links.watch(operator),
    ...(options.nodeEnvironment && { nodeEnvironment: options.nodeEnvironment }),
  } satisfies WorldOptions<Awaited<ReturnType<typeof makeSharedDatabase>>>;
  const trial = await inWorld({ ...world, tell }, async (world, load) => {
    const balancer = new Balancer(load);
    const faults: InjectedFault[] = [];
    const database = world.database.stage({ queryTimeoutMs: LOOK_PATIENCE_MS });
    const { callbackUrl } = world;
    const { messagesPerSecond } = options;
    await load.start({ messagesPerSecond, callsPerSecond: CALLS_PER_SECOND, ...ACCOUNT, callbackUrl });
    for (const node of world.nodes) balancer.watch(node);
    const seen = await balanced(balancer, () => steps({ world, database, links, balancer, faults }));
    const { requests, held } = await load.finish();
    const judgement = await judgeRun(world, { requests, faults, signal: t.signal, tell });
    const { unexpectedEnds, mood } = world;
    return { ...judgement, seen, links, held, unheard: mood.unheard, unexpectedEnds };
  });
  const { comparison, seen, held, unheard } = trial;
  const { findings, ...figures } = comparison;
  t.diagnostic(JSON.stringify({ ...figures, ...seen, held, unheard }));
  for (const finding of findings) t.diagnostic(finding);
  return trial;
}

/** What was answered, stored, charged, refunded, shown, reported and called back of every request agrees, of messages and calls. */
export function assertWhole<Seen>({ comparison, unexpectedEnds }: Trial<Seen>): void {
  assert.deepEqual([...offences(comparison), ...unexpectedEnds], []);
  assert.ok(comparison.accepted > comparison.calls && comparison.callsAnswered > 0, 'it was a load');
}

/** Until so many nodes want requests. */
export async function untilReady({ balancer }: Scene, nodes: number): Promise<void> {
  await eventually(`${nodes} nodes that are ready`, async () => (balancer.ready.size === nodes ? true : undefined));
}

async function balanced<Seen>(balancer: Balancer, steps: () => Promise<Seen>): Promise<Seen> {
  try {
    return await steps();
  } finally {
    await balancer.stop();
  }
}

async function makeSharedDatabase() {
  const database = await createTestDatabase();
  return { url: database.url, urlForNode: async () => database.url, stop: () => database.drop() };
}
