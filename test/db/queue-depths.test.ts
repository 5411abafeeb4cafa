import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { callQueueHeadAge, countCalls } from '../../src/store/call-queue.ts';
import { Database } from '../../src/store/database.ts';
import { countQueued, queueHeads } from '../../src/store/queue-depths.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const NOW_MS = 1_800_000_000_000;

let testDatabase: TestDatabase;
let database: Database;
before(async () => {
  testDatabase = await createTestDatabase();
  database = new Database(testDatabase.url);
  await run(
    `INSERT INTO operators (name, settings) VALUES ('busy', '{}'), ('idle', '{}')`,
    // The oldest is among the next to go, but not the very next one.
    `INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, accepted_at, expires_at)
     SELECT 100000000 + n, 1, n, 1, '', '', 1, ${secondsAgo('CASE n WHEN 7 THEN 90 ELSE 10 END')}, now()
     FROM generate_series(1, 3000) n`,
  );
});
after(async () => {
  await database.stop();
  await testDatabase.drop();
});

async function run(...statements: string[]): Promise<void> {
  for (const text of statements) await database.query({ name: '', text }, []);
}

function secondsAgo(seconds: string): string {
  return `to_timestamp(${NOW_MS / 1000} - (${seconds}))`;
}

test('an operator is told with how much waits for it, and with nothing when nothing does', async () => {
  const depths = new Map((await countQueued(database)).map(({ operator, depth }) => [operator, depth]));
  assert.deepEqual(Object.fromEntries(depths), { busy: 3_000, idle: 0 });
});

test('a count reads no more than its bound', async () => {
  const depths = new Map((await countQueued(database, 100)).map(({ operator, depth }) => [operator, depth]));
  assert.deepEqual(Object.fromEntries(depths), { busy: 100, idle: 0 });
});

test('the head is as old as the oldest of those that are next', async () => {
  const heads = new Map((await queueHeads(database, NOW_MS)).map((head) => [head.operator, head.headAgeSeconds]));
  assert.deepEqual(Object.fromEntries(heads), { busy: 90, idle: 0 });
});

test('of calls those that wait for their turn make the age of the head', async () => {
  assert.equal(await callQueueHeadAge(database, NOW_MS), 0);
  const calls = [
    { msgid: 1, account: 1, rank: 5, seconds: 20, ready: true, claimed: 'NULL' },
    { msgid: 2, account: 1, rank: 6, seconds: 15, ready: true, claimed: 'NULL' },
    { msgid: 3, account: 2, rank: 9, seconds: 30, ready: true, claimed: 'NULL' },
    { msgid: 4, account: 2, rank: 1, seconds: 50, ready: true, claimed: '7' },
    { msgid: 5, account: 3, rank: 1, seconds: 60, ready: false, claimed: 'NULL' },
  ];
  for (const { msgid, account, rank, seconds, ready, claimed } of calls)
    await run(
      `INSERT INTO call_queue (msgid, account_id, rank, phone, type, body, voice, speed, volume, replay, replay_times, unit_points,
         unit_seconds, points, accepted_at, ready, claimed_by)
       VALUES (${msgid}, ${account}, ${rank}, '', 1, '', 1, 0, 100, 0, 1, 1, 60, 1, ${secondsAgo(String(seconds))}, ${ready}, ${claimed})`,
    );
  assert.equal(await callQueueHeadAge(database, NOW_MS), 30);
  assert.deepEqual(await countCalls(database), { waiting: 3, later: 1, claimed: 1 });
});
