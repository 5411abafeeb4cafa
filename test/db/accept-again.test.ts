import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type AcceptRow, acceptBatch, acceptBatchAgain } from '../../src/store/acceptance.ts';
import { acceptCalls, acceptCallsAgain, type CallRow } from '../../src/store/calls.ts';
import { Database } from '../../src/store/database.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const NOW_MS = 1_800_000_000_000;

let testDatabase: TestDatabase;
let database: Database;
before(async () => {
  testDatabase = await createTestDatabase();
  database = new Database(testDatabase.url);
  await makePartitions(database);
  const text = "INSERT INTO accounts (username, password_hash, balance) VALUES ('customer', 'unused', 3)";
  await database.query({ name: 'test-account', text }, []);
  await database.query(
    { name: 'test-operator', text: "INSERT INTO operators (name, settings) VALUES ('o', '{}')" },
    [],
  );
});
after(async () => {
  await database.stop();
  await testDatabase.drop();
});

function row(msgid: number, points: number, runningPoints: number): AcceptRow {
  return {
    msgid,
    accountId: 1,
    accountVersion: 1,
    mobile: '886911222333',
    body: 'x',
    segments: points,
    points,
    runningPoints,
    runningSegments: runningPoints,
    dueAtMs: undefined,
    validitySeconds: 300,
    drurl: undefined,
    operatorId: 1,
    sourceAddress: undefined,
    claimed: false,
  };
}

function call(msgid: number, points: number, runningPoints: number): CallRow {
  return {
    msgid,
    accountId: 1,
    accountVersion: 1,
    phone: '886911222333',
    type: 1,
    body: 'x',
    voice: 1,
    speed: 0,
    volume: 100,
    recordingId: undefined,
    replayMode: 0,
    replayTimes: 1,
    response: undefined,
    unitPoints: 1,
    unitSeconds: 60,
    points,
    runningPoints,
    runningCalls: 1,
  };
}

async function setBalance(points: number): Promise<void> {
  await database.query({ name: 'test-set-balance', text: 'UPDATE accounts SET balance = $1' }, [points]);
}

async function balance(): Promise<number> {
  const [account] = await database.query<{ balance: number }>(
    { name: 'test-balance', text: 'SELECT balance FROM accounts' },
    [],
  );
  return account?.balance ?? -1;
}

test('a batch that runs again charges only what is missing, and judges it by what is left', async () => {
  const connection = database.stage();
  const batch = [row(100_000_001, 2, 2), row(100_000_002, 1, 3)];
  assert.deepEqual((await acceptBatch(connection, NOW_MS, batch.slice(0, 1))).rejected, []);
  assert.equal(await balance(), 1);
  assert.deepEqual(await acceptBatchAgain(connection, NOW_MS, batch), [], 'the rest is covered');
  assert.equal(await balance(), 0);
  assert.deepEqual(await acceptBatchAgain(connection, NOW_MS, batch), [], 'nothing is missing any more');
  assert.equal(await balance(), 0);
});

test('so does a batch of calls', async () => {
  await setBalance(3);
  const connection = database.stage();
  const batch = [call(100_000_011, 2, 2), call(100_000_012, 1, 3)];
  assert.deepEqual(await acceptCalls(connection, NOW_MS, batch.slice(0, 1)), []);
  assert.equal(await balance(), 1);
  assert.deepEqual(await acceptCallsAgain(connection, NOW_MS, batch), [], 'the rest is covered');
  assert.equal(await balance(), 0);
  assert.deepEqual(await acceptCallsAgain(connection, NOW_MS, batch), [], 'nothing is missing any more');
  assert.equal(await balance(), 0);
});
