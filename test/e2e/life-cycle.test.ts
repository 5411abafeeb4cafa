import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type Answer,
  ask,
  makeDataDir,
  type PlatformProcess,
  processesOf,
  startPlatformProcess,
} from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';

const USER = { username: 'test', password: '1234' };
const MOBILE = '0911222333';

let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;

before(async () => {
  directory = await makeDataDir();
  platform = await startPlatformProcess({ dataDir: directory.path });
});
after(async () => {
  await platform.end('SIGTERM');
  await directory.remove();
});

const send = (mobile: string): Promise<Answer> =>
  ask(platform.http, 'sms_send.php', { ...USER, mobile, message: 'hello' });
const points = async (): Promise<number> =>
  Number((await ask(platform.http, 'sms_query.php', { ...USER, checkpoint: 'Y' })).point);

async function finalState(mobile: string, msgid: unknown): Promise<string> {
  return eventually(`a final state of ${String(msgid)}`, async () => {
    const answer = await ask(platform.http, 'sms_query.php', { ...USER, mobile, msgid: String(msgid) });
    return typeof answer.statustext === 'string' ? answer.statustext : undefined;
  });
}

async function postmaster(): Promise<number> {
  const note = JSON.parse(await readFile(join(directory.path, 'postgres.json'), 'utf8')) as {
    server: { processId: number };
  };
  return note.server.processId;
}

test('after kill -9 of Node alone the next start goes on where it stopped', async () => {
  const { msgid } = await send('0900000026');
  const before = await points();
  await platform.end('SIGKILL');
  platform = await startPlatformProcess({ dataDir: directory.path });
  assert.equal(await points(), before, 'nothing is charged again');
  const second = await send(MOBILE);
  assert.equal(await finalState(MOBILE, second.msgid), 'DELIVRD');
  const pending = await ask(platform.http, 'sms_query.php', { ...USER, mobile: '0900000026', msgid: String(msgid) });
  assert.match(`${pending.code} ${String(pending.statustext)}`, /^00001|DELIVRD/);
});

test('after kill -9 of every process an accepted message still reaches its final state', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => send(MOBILE)));
  assert.ok(answers.every((answer) => answer.code === '00000'));
  const server = await postmaster();
  platform.child.kill('SIGKILL');
  process.kill(server, 'SIGKILL');
  await platform.end('SIGKILL');
  platform = await startPlatformProcess({ dataDir: directory.path });
  for (const { msgid } of answers) assert.equal(await finalState(MOBILE, msgid), 'DELIVRD');
});

test('while its database is dead the platform answers 99999 and stores nothing; it starts it again by itself', async () => {
  const before = await points();
  const server = await postmaster();
  process.kill(server, 'SIGSTOP');
  process.kill(server, 'SIGKILL');
  const answer = await eventually('99999', async () => {
    const found = await send(MOBILE).catch(() => undefined);
    return found?.code === '99999' ? found : undefined;
  });
  assert.equal('msgid' in answer, false);
  const { msgid } = await eventually('the database to be back', async () => {
    const found = await send(MOBILE).catch(() => undefined);
    return found?.code === '00000' ? found : undefined;
  });
  assert.equal(await finalState(MOBILE, msgid), 'DELIVRD');
  assert.notEqual(await postmaster(), server);
  assert.ok((await points()) < before);
});

test('SIGTERM ends everything within ten seconds with exit code 0', async () => {
  await Promise.all(Array.from({ length: 20 }, () => send('0900000029')));
  const startedMs = performance.now();
  assert.equal(await platform.end('SIGTERM'), 0, platform.output());
  assert.ok(performance.now() - startedMs < 10_000);
  assert.deepEqual(await processesOf(directory.path), []);
});
