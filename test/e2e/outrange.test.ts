import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Database } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import {
  type Answer,
  ask,
  makeDataDir,
  type PlatformProcess,
  startPlatformProcess,
} from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';

const USER = { username: 'test', password: '1234' };
const MOBILE = '0911222333';
const HOUR_MS = 3_600_000;

let testDatabase: TestDatabase;
let database: Database;
let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;

before(async () => {
  testDatabase = await createTestDatabase();
  database = new Database(testDatabase.url);
  directory = await makeDataDir();
  platform = await startPlatformProcess({
    dataDir: directory.path,
    env: { DATABASE_URL: testDatabase.url, SIMULATOR: 'on' },
  });
});
after(async () => {
  await platform.end('SIGTERM');
  await database.stop();
  await testDatabase.drop();
  await directory.remove();
});

async function send(more: Record<string, string> = {}): Promise<string> {
  const answer = await ask(platform.http, 'sms_send.php', { ...USER, mobile: MOBILE, message: 'hello', ...more });
  assert.equal(answer.code, '00000');
  return String(answer.msgid);
}

const query = (msgid: string, more: Record<string, string> = {}): Promise<Answer> =>
  ask(platform.http, 'sms_query.php', { ...USER, mobile: MOBILE, msgid, ...more });

const answered = (msgid: string, wanted: (answer: Answer) => boolean): Promise<Answer> =>
  eventually(`the answer for ${msgid}`, async () => {
    const answer = await query(msgid);
    return wanted(answer) ? answer : undefined;
  });
const delivered = (msgid: string): Promise<Answer> => answered(msgid, ({ statustext }) => statustext === 'DELIVRD');

async function moveTime(hours: number): Promise<void> {
  const text = 'UPDATE clock_shift SET offset_ms = offset_ms + $1';
  await database.query({ name: 'test-move-time', text }, [hours * HOUR_MS]);
}

/** YYYYMMDDhhmm in Taipei, so many hours from now. */
function sendtime(hours: number): string {
  const taipei = new Date(Date.now() + (hours + 8) * HOUR_MS).toISOString();
  return taipei.slice(0, 16).replaceAll(/\D/g, '');
}

test('a message is found for 72 hours after its send time, and later only with outrange=Y', async () => {
  const msgid = await send();
  const found = await delivered(msgid);
  const scheduled = await send({ sendtime: sendtime(70) });
  assert.equal((await query(scheduled)).code, '00310');

  await moveTime(71);
  // That it goes out shows that the platform has followed the clock.
  await delivered(scheduled);
  assert.deepEqual(await query(msgid), found, 'after 71 hours');

  await moveTime(2);
  const gone = await answered(msgid, ({ code }) => code === '00300');
  assert.deepEqual(Object.keys(gone), ['code', 'text'], 'after 73 hours');
  assert.deepEqual(await query(msgid, { outrange: 'Y' }), found);
  for (const outrange of ['N', 'y', '1']) assert.equal((await query(msgid, { outrange })).code, '00300', outrange);
  assert.equal((await query(scheduled)).statustext, 'DELIVRD', 'its send time, not when it was accepted, counts');
  const others = { username: 'test123', password: '1234test', outrange: 'Y' };
  assert.equal((await query(msgid, others)).code, '00300', 'of another account');
});
