/** Connections on which nothing is asked, at a platform as its users start it: what strangers, probers and customers notice. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../harness/percentile.ts';
import { makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';

const PATH = '/json/sms_query.php?username=test&password=1234&checkpoint=Y';
const STRANGERS = 20;
/** When silence held up those who ask they waited for 1,000 ms; alone they take 2 to 10. */
const BEARABLE_MS = 100;
const SILENT_PER_SECOND = 100;
const SILENT_AT_ONCE = 1_500;
/** The crowd has come in force. */
const BUILD_UP_MS = 2_000;
const ASK_EVERY_MS = 10;
const ASKED_MS = 2_000;
/** As in guessing.test.ts; the same crowd cost 80 to 180 ms when all of it was read in one go. */
const P99_FLOOR_MS = 40;
const ROUNDS = 5;
/** A process that has just started runs code that is not compiled yet, and is slower by itself. */
const WARM_UP_REQUESTS = 500;
const PATIENCE_MS = 120_000;

let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;
let crowd: ChildProcess | undefined;

before(async () => {
  directory = await makeDataDir();
  platform = await startPlatformProcess({ dataDir: directory.path, env: { SIMULATOR: 'on' } });
});
after(async () => {
  if (crowd?.connected === true) crowd.disconnect();
  await platform.end('SIGTERM');
  await directory.remove();
});

async function startCrowd(count: number, how: 'at once' | 'a second'): Promise<ChildProcess> {
  const args = [new URL(platform.http).port, String(count), how];
  crowd = fork(new URL('silent-crowd.ts', import.meta.url), args, {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await once(crowd, 'message');
  return crowd;
}

/** On a connection of its own; how long it took, in milliseconds. */
async function ask(path: string, localAddress: string): Promise<number> {
  const { hostname: host, port } = new URL(platform.http);
  const startedMs = performance.now();
  const asked = request({ host, port, path, localAddress, agent: false }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  await once(response.resume(), 'end');
  return performance.now() - startedMs;
}

test('silent connections from many addresses hold up neither strangers nor probers of /readyz', {
  timeout: PATIENCE_MS,
}, async (t) => {
  const silent = await startCrowd(SILENT_PER_SECOND, 'a second');
  await pause(BUILD_UP_MS);
  for (const path of [PATH, '/readyz']) {
    const took: number[] = [];
    for (let index = 1; index <= STRANGERS; index++) took.push(await ask(path, `127.200.${path.length}.${index}`));
    t.diagnostic(
      `${path.split('?', 1)[0]}: median ${percentile(took, 0.5).toFixed(1)} ms, longest ${percentile(took, 1).toFixed(1)} ms`,
    );
    assert.ok(percentile(took, 0.5) < BEARABLE_MS, took.join(', '));
  }
  silent.disconnect();
  await once(silent, 'exit');
});

test('a crowd that keeps silent and then asks all at once is hardly noticed by others', {
  timeout: PATIENCE_MS,
}, async (t) => {
  for (let request = 0; request < WARM_UP_REQUESTS; request++) await ask(PATH, '127.0.0.1');
  let isUnnoticed = false;
  for (let round = 0; round < ROUNDS && !isUnnoticed; round++) {
    const silent = await startCrowd(SILENT_AT_ONCE, 'at once');
    const asked: Promise<number>[] = [];
    for (const untilMs = performance.now() + ASKED_MS; performance.now() < untilMs; await pause(ASK_EVERY_MS)) {
      asked.push(ask(PATH, '127.0.0.1'));
    }
    const took = await Promise.all(asked);
    t.diagnostic(
      `${took.length} requests, p50 ${percentile(took, 0.5).toFixed(1)} ms, p99 ${percentile(took, 0.99).toFixed(1)} ms`,
    );
    isUnnoticed = percentile(took, 0.99) <= P99_FLOOR_MS;
    silent.disconnect();
    await once(silent, 'exit');
  }
  assert.ok(isUnnoticed, 'the others were slowed down in every round');
});
