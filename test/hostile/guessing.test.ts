import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { hashPassword } from '../../src/base/password.ts';
import { createAccount } from '../../src/store/account-admin.ts';
import { Database } from '../../src/store/database.ts';
import { findRunningEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import type { GuessPlan, GuessReport } from '../harness/guesser.ts';
import { makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';

const TRIES = 10_000;
const ACCOUNTS = 100;
const OWNER = { username: 'customer0', password: 'the-right-one' };
const OWNERS_ADDRESS = '192.0.2.1';
/** The bounds of http/authenticate.ts. */
const [PAIR_GUESSES, PAIR_REFILL_S, SITE_GUESSES, SITE_REFILL_S] = [10, 6, 50, 1];
/** A guesser's refused answers take this long; an own client's never do. */
const PAUSE_MS = 2_000;
const ASK_EVERY_MS = 10;
const QUIET_REQUESTS = 200;

let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;

before(async () => {
  directory = await makeDataDir();
  platform = await startPlatformProcess({ dataDir: directory.path, env: { TRUSTED_PROXIES: '127.0.0.0/8' } });
  const database = new Database((await findRunningEmbeddedPostgres(directory.path)) ?? '');
  const passwordHash = await hashPassword(OWNER.password);
  for (let index = 0; index < ACCOUNTS; index++) {
    await createAccount(database, { username: `customer${index}`, passwordHash, points: 1 });
  }
  await database.stop();
  assert.deepEqual((await askAsOwner()).code, '00000', 'verified once');
});
after(async () => {
  await platform.end('SIGTERM');
  await directory.remove();
});

async function askAsOwner(): Promise<{ code: string; ms: number }> {
  const query = new URLSearchParams({ ...OWNER, checkpoint: 'Y' });
  const startedMs = performance.now();
  const response = await fetch(`${platform.http}/json/sms_query.php?${query.toString()}`, {
    headers: { 'X-Forwarded-For': OWNERS_ADDRESS },
  });
  const { code } = (await response.json()) as { code: string };
  return { code, ms: performance.now() - startedMs };
}

async function hashesSoFar(): Promise<number> {
  const text = await (await fetch(platform.metrics)).text();
  const counts = [...text.matchAll(/^feige_password_hashes_total\{result="(?:right|wrong)"\} (\d+)/gm)];
  return counts.reduce((sum, found) => sum + Number(found[1]), 0);
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** In milliseconds, from the shortest on. */
function inOrder(latencies: readonly number[]): string {
  const [median, p99, most] = [0.5, 0.99, 1].map((share) => percentile(latencies, share).toFixed(1));
  return `${latencies.length} requests, p50 ${median} ms, p99 ${p99} ms, longest ${most} ms`;
}

/** Guesses while the account's own client goes on asking; what both of them got. */
async function attack(plan: Omit<GuessPlan, 'port' | 'tries'>) {
  const hashesBefore = await hashesSoFar();
  const workerData: GuessPlan = { ...plan, port: Number(new URL(platform.http).port), tries: TRIES };
  const worker = new Worker(new URL('../harness/guesser.ts', import.meta.url), { workerData });
  const attacked = once(worker, 'message').then(([report]) => report as GuessReport);
  let report: GuessReport | undefined;
  void attacked.then((done) => {
    report = done;
  });
  const codes = new Set<string>();
  const latencies: number[] = [];
  while (report === undefined) {
    const { code, ms } = await askAsOwner();
    codes.add(code);
    latencies.push(ms);
    await pause(ASK_EVERY_MS);
  }
  await worker.terminate();
  latencies.sort((a, b) => a - b);
  const hashes = (await hashesSoFar()) - hashesBefore;
  return { ...report, hashes, codes: [...codes], latencies };
}

for (const [who, plan] of [
  ['one address at one account', { usernames: ['customer0'], addresses: 1 }],
  ['one address at a hundred accounts', { usernames: names(), addresses: 1 }],
  ['ten thousand addresses at one account', { usernames: ['customer0'], addresses: TRIES }],
  ['ten thousand addresses at a hundred accounts', { usernames: names(), addresses: TRIES }],
] as const) {
  test(`10,000 guesses from ${who} get few hashes, and the account's own client is never refused or paused`, async (t) => {
    const quiet = [];
    for (let turn = 0; turn < QUIET_REQUESTS; turn++) quiet.push((await askAsOwner()).ms);
    quiet.sort((a, b) => a - b);
    const { answers, seconds, hashes, codes, latencies } = await attack(plan);
    const figures = `${hashes} hashes in ${seconds.toFixed(1)} s, answers ${JSON.stringify(answers)}; own client before: ${inOrder(quiet)}; meanwhile: ${inOrder(latencies)}`;
    t.diagnostic(figures);
    assert.equal(
      Object.values(answers).reduce((sum, count) => sum + count, 0),
      TRIES,
    );
    assert.deepEqual(
      Object.keys(answers).filter((code) => code !== '00012' && code !== '99998'),
      [],
    );
    assert.ok(hashes <= mostHashes(plan, seconds), figures);
    assert.deepEqual(codes, ['00000']);
    assert.ok(latencies.length > 10 && percentile(latencies, 0.99) < PAUSE_MS, figures);
  });
}

function names(): string[] {
  return Array.from({ length: ACCOUNTS }, (_, index) => `customer${index}`);
}

/** What the bounds allow in this time; from many addresses two hashes at once, each of some ten milliseconds. */
function mostHashes(plan: { usernames: readonly string[]; addresses: number }, seconds: number): number {
  const ofPairs = plan.usernames.length * plan.addresses * (PAIR_GUESSES + seconds / PAIR_REFILL_S);
  const ofSites = plan.addresses * (SITE_GUESSES + seconds / SITE_REFILL_S);
  return 1 + Math.min(ofPairs, ofSites, TRIES / 10);
}
