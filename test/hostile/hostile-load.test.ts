/**
 * What the customers notice of a hostile crowd: a steady 100 requests a second to a platform as its users start it,
 * first alone and then beside 2,000 idle connections, 200 slow ones and 85 hostile requests a second.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PacedLoad } from '../../bench/paced-load.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';

const PER_SECOND = 100;
const CONNECTIONS = 64;
const WARM_UP_MS = 3_000;
const PHASE_MS = 6_000;
/** On a machine with far too much to do. */
const PATIENCE_MS = 300_000;
/** Whatever else runs on the machine can spoil a round, and never improves one: the best of five counts. */
const ROUNDS = 5;
/** The bound; below the floors a shared machine's own noise is larger than what is measured. */
const MOST_TIMES_USUAL = 2;
const P50_FLOOR_MS = 20;
const P99_FLOOR_MS = 40;

let database: TestDatabase;
let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;

before(async () => {
  database = await createTestDatabase();
  directory = await makeDataDir();
  const env = { DATABASE_URL: database.url, SIMULATOR: 'on' };
  platform = await startPlatformProcess({ dataDir: directory.path, env });
});
after(async () => {
  await platform.end('SIGTERM');
  await database.drop();
  await directory.remove();
});

interface Phase {
  readonly accepted: number;
  /** Requests for which no connection was free at the end. */
  readonly late: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Every answer has to be 00000. */
async function steady(durationMs: number): Promise<Phase> {
  const { hostname: host, port } = new URL(platform.http);
  const customers = [{ username: 'test', password: '1234', drurl: undefined }];
  const load = new PacedLoad({ host, port: Number(port), customers, perSecond: PER_SECOND, connections: CONNECTIONS });
  await pause(durationMs);
  const { late } = load;
  await load.stop();
  assert.equal(load.others, 0, 'an answer was not 00000');
  const [p50Ms, p99Ms] = [0.5, 0.99].map((share) => Number(load.latencies.quantileMs(share).toFixed(2)));
  return { accepted: load.accepted.size, late, p50Ms: p50Ms ?? 0, p99Ms: p99Ms ?? 0 };
}

async function startCrowd(): Promise<ChildProcess> {
  const crowd = fork(new URL('hostile-crowd.ts', import.meta.url), [new URL(platform.http).port], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await once(crowd, 'message');
  return crowd;
}

function openFiles(processId: number | undefined): number {
  return readdirSync(`/proc/${processId}/fd`).length;
}

function tell(t: TestContext, name: string, { accepted, p50Ms, p99Ms }: Phase): void {
  t.diagnostic(`${name}: ${accepted} accepted, p50 ${p50Ms} ms, p99 ${p99Ms} ms`);
}

function isBearable(attacked: Phase, usual: Phase): boolean {
  return (
    attacked.p50Ms <= Math.max(P50_FLOOR_MS, MOST_TIMES_USUAL * usual.p50Ms) &&
    attacked.p99Ms <= Math.max(P99_FLOOR_MS, MOST_TIMES_USUAL * usual.p99Ms) &&
    attacked.late <= Math.max(PER_SECOND, MOST_TIMES_USUAL * usual.late)
  );
}

test('a hostile crowd does not slow down the others by more than twice', { timeout: PATIENCE_MS }, async (t) => {
  await steady(WARM_UP_MS);
  let bearable = false;
  for (let round = 0; round < ROUNDS && !bearable; round += 1) {
    const usual = await steady(PHASE_MS);
    tell(t, 'usual', usual);
    const crowd = await startCrowd();
    const connections = openFiles(platform.child.pid);
    const attacked = await steady(PHASE_MS);
    tell(t, `attacked, ${connections} files open`, attacked);
    crowd.disconnect();
    await once(crowd, 'exit');
    assert.ok(connections > 2_000, `only ${connections} files are open`);
    bearable = isBearable(attacked, usual);
  }
  assert.ok(bearable, 'the others were slowed down in every round');
  tell(t, 'afterwards', await steady(WARM_UP_MS));
  assert.equal(platform.child.exitCode, null);
  assert.doesNotMatch(platform.output(), /"level":[56]0/);
});
