import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { checkLedger } from '../../src/store/ledger.ts';
import { Database } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';

let database: TestDatabase;
let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;
let client: pg.Client;

const start = (): Promise<PlatformProcess> =>
  startPlatformProcess({
    dataDir: directory.path,
    env: { DATABASE_URL: database.url, SIMULATOR: 'on', RING_TIMEOUT_S: '60' },
  });

before(async () => {
  database = await createTestDatabase();
  directory = await makeDataDir();
  platform = await start();
  client = new pg.Client(database.url);
  await client.connect();
});
after(async () => {
  await client.end();
  await platform.end('SIGTERM');
  await database.drop();
  await directory.remove();
});

async function ask(path: string, parameters: Record<string, string>): Promise<string> {
  const query = new URLSearchParams({ username: 'test', password: '1234', ...parameters }).toString();
  return (await fetch(`${platform.http}/${path}?${query}`)).text();
}

async function send(phone: string): Promise<string> {
  const message = '這是一段很長的語音簡訊，用來測試系統在通話中突然停止之後的情況。'.repeat(4);
  const answer = await ask('send_voice.php', { type: '1', phone, message });
  return /^resp=(\d+),/.exec(answer)?.[1] ?? assert.fail(answer);
}

test('kill -9 during calls: the answered one is settled and not dialled again, the ringing one is dialled once more', async () => {
  const talks = await send('0900000100');
  const rings = await send('0900000102');
  await eventually('both calls under way', async () => {
    const { rows } = await client.query<{ dialled: boolean; answered: boolean }>(
      'SELECT dialled, answered_at IS NOT NULL AS answered FROM call_queue',
    );
    return rows.every((row) => row.dialled) && rows.filter((row) => row.answered).length === 1 ? true : undefined;
  });
  await platform.end('SIGKILL');
  platform = await start();
  const end = await eventually('the end of the answered call', async () => {
    const answer = await ask('query_voice.php', { msgid: talks });
    return answer === 'resp=-5' ? undefined : answer;
  });
  assert.match(end, new RegExp(`^resp=${talks},0900000100,\\d+,2,FarEnd$`));
  await eventually('the ringing one dialled again', async () => {
    const { rows } = await client.query<{ redials: number; dialled: boolean }>(
      'SELECT redials, dialled FROM call_queue WHERE msgid = $1',
      [rings],
    );
    return rows[0]?.redials === 1 && rows[0].dialled ? true : undefined;
  });
  const { rows } = await client.query<{ invites: number }>(
    "SELECT count(*)::int AS invites FROM message_events WHERE msgid = $1 AND detail LIKE 'INVITE%'",
    [talks],
  );
  // The first node took its own lines with it; the second one dialled nothing.
  assert.equal(rows[0]?.invites, 0);
  assert.equal(await ask('query_voice.php', { msgid: rings }), 'resp=-5');
  const reader = new Database(database.url);
  assert.deepEqual((await checkLedger(reader)).mismatches, []);
  await reader.stop();
});
