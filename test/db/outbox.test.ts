import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Database, type StageConnection } from '../../src/store/database.ts';
import * as outbox from '../../src/store/outbox.ts';
import { listCallbacks, replayCallback } from '../../src/store/outbox-admin.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const FIRST_MSGID = 100_000_000;

let testDatabase: TestDatabase;
let database: Database;
let stage: StageConnection;

before(async () => {
  testDatabase = await createTestDatabase();
  database = new Database(testDatabase.url);
  stage = database.stage();
  await makePartitions(database);
  await database.query(
    {
      name: 'test-accounts',
      text: `INSERT INTO accounts (username, password_hash) VALUES ('anna', 'x'), ('ben', 'x')`,
    },
    [],
  );
});

beforeEach(async () => {
  await database.query({ name: 'test-empty', text: 'TRUNCATE outbox, messages, message_events RESTART IDENTITY' }, []);
});

after(async () => {
  await database.stop();
  await testDatabase.drop();
});

/** Adds callbacks for messages FIRST_MSGID, +1, …; their ids are 1, 2, … after each truncation. */
async function owe(callbacks: number, options: { host?: string; parked?: boolean; accountId?: number } = {}) {
  const host = options.host ?? 'a.example';
  await database.query(
    {
      name: 'test-owe',
      text: `INSERT INTO outbox (kind, account_id, msgid, url, host, mobile, state, done_at, created_at, next_at, give_up_at, parked)
        SELECT 'receipt', $5, $4 + (SELECT count(*) FROM outbox) + n, 'http://' || $2 || '/r', $2, '886911222333', 'DELIVRD',
          to_timestamp($1::float8 / 1000), to_timestamp($1 / 1000), to_timestamp($1 / 1000) + n * interval '1 ms',
          to_timestamp($1 / 1000) + interval '24 hours', $3
        FROM generate_series(0, $6 - 1) n`,
    },
    [NOW_MS, host, options.parked ?? false, FIRST_MSGID, options.accountId ?? 1, callbacks],
  );
}

interface RowState {
  id: number;
  attempts: number;
  parked: boolean;
  given_up: boolean;
  claimed_by: number | null;
  next_ms: number;
}

function rows(): Promise<RowState[]> {
  return database.query(
    {
      name: 'test-rows',
      text: `SELECT callback_id::int AS id, attempts, parked, given_up, claimed_by,
        (extract(epoch FROM next_at) * 1000)::float8 AS next_ms FROM outbox ORDER BY callback_id`,
    },
    [],
  );
}

function events(): Promise<{ msgid: number; kind: string; status: number | null; detail: string | null }[]> {
  return database.query(
    {
      name: 'test-events',
      text: 'SELECT msgid::float8 AS msgid, kind, status, detail FROM message_events ORDER BY msgid, at',
    },
    [],
  );
}

const claimIds = (callbacks: readonly { callbackId: number }[]) =>
  callbacks.map((callback) => callback.callbackId).sort((a, b) => a - b);

function claim(epoch: number, limit: number, fullHosts: string[] = [], nowMs = NOW_MS + 1_000) {
  return outbox.claimOpen(stage, { epoch, nowMs, limit, fullHosts });
}

describe('the open lane', () => {
  test('gives what is due, the longest due first, and to one node only', async () => {
    await owe(5);
    assert.deepEqual(claimIds((await claim(1, 2)).claimed), [1, 2]);
    assert.deepEqual(claimIds((await claim(2, 10, [], NOW_MS + 3)).claimed), [3, 4]);
    assert.deepEqual(claimIds((await claim(1, 10)).claimed), [5]);
    assert.deepEqual(await claim(1, 10), { claimed: [], parked: 0 });
  });

  test('gives what the callback is about', async () => {
    await owe(1);
    const { claimed } = await claim(1, 1);
    assert.deepEqual(
      { ...claimed[0] },
      {
        callbackId: 1,
        kind: 'receipt',
        url: 'http://a.example/r',
        host: 'a.example',
        attempts: 0,
        payload: null,
        msgid: FIRST_MSGID,
        mobile: '886911222333',
        state: 'DELIVRD',
        doneAtMs: NOW_MS,
        giveUpAtMs: NOW_MS + 24 * HOUR_MS,
      },
    );
  });

  test('parks what belongs to a full host without handing it out', async () => {
    await owe(2, { host: 'full.example' });
    await owe(1, { host: 'free.example' });
    const { claimed, parked } = await claim(1, 10, ['full.example']);
    assert.deepEqual([claimIds(claimed), parked], [[3], 2]);
    assert.deepEqual(
      (await rows()).map((row) => [row.parked, row.claimed_by]),
      [
        [true, null],
        [true, null],
        [false, 1],
      ],
    );
  });
});

describe('the parked lanes', () => {
  test('give as many of each host as were asked for', async () => {
    await owe(3, { host: 'a.example', parked: true });
    await owe(3, { host: 'b.example', parked: true });
    await owe(1, { host: 'c.example', parked: true });
    const wanted = [
      { host: 'a.example', rows: 2 },
      { host: 'c.example', rows: 5 },
    ];
    const claimed = await outbox.claimParked(stage, { epoch: 1, nowMs: NOW_MS + 1_000, wanted });
    assert.deepEqual(claimIds(claimed), [1, 2, 7]);
    assert.deepEqual(claimIds((await claim(1, 10)).claimed), []);
  });

  test('list their hosts by pages and tell which have something due', async () => {
    for (const host of ['d', 'a', 'c', 'b']) await owe(2, { host, parked: true });
    const nowMs = NOW_MS + 1_000;
    assert.deepEqual(await outbox.parkedHosts(stage, { after: '', nowMs, limit: 3 }), [
      { host: 'a', due: true },
      { host: 'b', due: true },
      { host: 'c', due: true },
    ]);
    assert.deepEqual(await outbox.parkedHosts(stage, { after: 'c', nowMs: NOW_MS - 1, limit: 3 }), [
      { host: 'd', due: false },
    ]);
    assert.deepEqual(await outbox.parkedHosts(stage, { after: 'd', nowMs, limit: 3 }), []);
  });
});

describe('settling', () => {
  test('a delivered callback goes and its attempt is seen in the life of the message', async () => {
    await owe(2);
    await claim(1, 10);
    await outbox.recordDelivered(stage, [{ callbackId: 1, epoch: 1, atMs: NOW_MS }], true);
    assert.deepEqual(claimIds((await rows()).map((row) => ({ callbackId: row.id }))), [2]);
    assert.deepEqual(await events(), [{ msgid: FIRST_MSGID, kind: 'callback', status: 200, detail: null }]);
  });

  test('a settlement of an epoch that lost its claim, or told twice, changes nothing', async () => {
    await owe(2);
    await claim(1, 10);
    await outbox.releaseCallbacksOf(stage, 1);
    await claim(2, 10);
    const failed = { epoch: 1, atMs: NOW_MS, status: 500, detail: 'answered 500', nextAtMs: NOW_MS, tried: true };
    await outbox.recordDelivered(stage, [{ callbackId: 1, epoch: 1, atMs: NOW_MS }], true);
    await outbox.recordFailed(stage, [{ callbackId: 2, ...failed }], true);
    await outbox.park(stage, [{ callbackId: 1, epoch: 1 }]);
    await outbox.release(stage, [{ callbackId: 1, epoch: 1 }]);
    assert.deepEqual(
      (await rows()).map((row) => [row.claimed_by, row.parked, row.attempts]),
      [
        [2, false, 0],
        [2, false, 0],
      ],
    );
    await outbox.recordFailed(stage, [{ callbackId: 2, ...failed, epoch: 2 }], true);
    await outbox.recordFailed(stage, [{ callbackId: 2, ...failed, epoch: 2 }], true);
    assert.equal((await rows())[1]?.attempts, 1);
    assert.equal((await events()).length, 1);
  });

  test('a failed callback is parked until its next try, at the latest when it is given up', async () => {
    await owe(2);
    await claim(1, 10);
    const failed = { epoch: 1, atMs: NOW_MS + HOUR_MS, status: undefined, detail: 'ECONNREFUSED', tried: true };
    await outbox.recordFailed(
      stage,
      [
        { callbackId: 1, ...failed, nextAtMs: NOW_MS + 2 * HOUR_MS },
        { callbackId: 2, ...failed, nextAtMs: NOW_MS + 25 * HOUR_MS },
      ],
      true,
    );
    const common = { attempts: 1, parked: true, given_up: false, claimed_by: null };
    assert.deepEqual(await rows(), [
      { id: 1, ...common, next_ms: NOW_MS + 2 * HOUR_MS },
      { id: 2, ...common, next_ms: NOW_MS + 24 * HOUR_MS },
    ]);
    assert.deepEqual((await events())[0], {
      msgid: FIRST_MSGID,
      kind: 'callback',
      status: null,
      detail: 'ECONNREFUSED',
    });
  });

  test('the try at the end of the 24 hours is the last', async () => {
    await owe(1);
    await claim(1, 10);
    const atMs = NOW_MS + 24 * HOUR_MS;
    const failed = { epoch: 1, atMs, status: 503, detail: 'answered 503', nextAtMs: atMs + 1, tried: true };
    await outbox.recordFailed(stage, [{ callbackId: 1, ...failed }], true);
    assert.equal((await rows())[0]?.given_up, true);
    assert.equal((await events())[0]?.detail, 'answered 503; given up');
    assert.deepEqual(await outbox.parkedHosts(stage, { after: '', nowMs: atMs + HOUR_MS, limit: 9 }), []);
  });

  test('strays of a living epoch are freed and what it knows stays', async () => {
    await owe(3);
    await claim(1, 10);
    await outbox.releaseStrays(stage, 1, [2]);
    assert.deepEqual(
      (await rows()).map((row) => row.claimed_by),
      [null, 1, null],
    );
  });
});

describe('the plans', () => {
  test('stay on their indexes with thousands of rows of one host parked', async () => {
    await owe(20_000, { host: 'slow.example', parked: true });
    await owe(600);
    await claim(1, 300);
    const plans: [string, string[]][] = [];
    const explained = {
      async query<Row>(statement: { name: string; text: string }, parameters: readonly never[]): Promise<Row[]> {
        const text = `EXPLAIN (COSTS OFF) ${statement.text}`;
        const lines = await stage.query<{ 'QUERY PLAN': string }>({ name: `plan-${statement.name}`, text }, parameters);
        plans.push([statement.name, lines.map((line) => line['QUERY PLAN'])]);
        return [];
      },
    };
    const some = [{ callbackId: 1, epoch: 1, atMs: NOW_MS }];
    const failed = { ...some[0], callbackId: 1, epoch: 1, atMs: 1, status: 1, detail: '', nextAtMs: 1, tried: true };
    await outbox.claimOpen(explained, { epoch: 1, nowMs: NOW_MS, limit: 250, fullHosts: ['x'] });
    await outbox.claimParked(explained, { epoch: 1, nowMs: NOW_MS, wanted: [{ host: 'x', rows: 1 }] });
    await outbox.parkedHosts(explained, { after: '', nowMs: NOW_MS, limit: 10 });
    await outbox.recordDelivered(explained, some, true);
    await outbox.recordFailed(explained, [failed], true);
    await outbox.park(explained, some);
    await outbox.release(explained, some);
    assert.equal(plans.length, 7);
    for (const [name, lines] of plans) {
      const plan = lines.join('\n');
      assert.doesNotMatch(plan, /Seq Scan on outbox/, `${name}\n${plan}`);
      assert.doesNotMatch(plan, /outbox_claimed/, `${name} looks rows up among all claims\n${plan}`);
    }
  });
});

describe('callbacks as the operator sees them', () => {
  test('are listed by state and account', async () => {
    await owe(2);
    await owe(1, { accountId: 2 });
    await database.query({ name: 'test-give-up', text: 'UPDATE outbox SET given_up = true WHERE callback_id = 2' }, []);
    const list = async (filter: Parameters<typeof listCallbacks>[1]) => claimIds(await listCallbacks(database, filter));
    assert.deepEqual(await list({ state: 'all', limit: 10 }), [1, 2, 3]);
    assert.deepEqual(await list({ state: 'waiting', limit: 10 }), [1, 3]);
    assert.deepEqual(await list({ state: 'given-up', limit: 10 }), [2]);
    assert.deepEqual(await list({ state: 'all', username: 'ben', limit: 10 }), [3]);
    assert.deepEqual(await list({ state: 'all', limit: 2 }), [1, 2]);
    const [first] = await listCallbacks(database, { state: 'given-up', limit: 1 });
    assert.equal(first?.username, 'anna');
    assert.equal(first?.givenUp, true);
    assert.equal(first?.giveUpAtMs, NOW_MS + 24 * HOUR_MS);
  });

  test('a callback that was given up is due again for another 24 hours', async () => {
    await owe(1);
    await database.query(
      { name: 'test-given-up', text: 'UPDATE outbox SET given_up = true, parked = true, attempts = 9' },
      [],
    );
    const laterMs = NOW_MS + 48 * HOUR_MS;
    assert.deepEqual(await replayCallback(database, { callbackId: 1 }, laterMs), { kind: 'queued', callbackIds: [1] });
    const { claimed } = await claim(1, 10, [], laterMs);
    assert.equal(claimed[0]?.attempts, 0);
    assert.equal(claimed[0]?.giveUpAtMs, laterMs + 24 * HOUR_MS);
    assert.deepEqual(await replayCallback(database, { callbackId: 1 }, laterMs), { kind: 'under-way' });
  });

  test('a delivered callback comes back from its message, one without drurl or final state does not', async () => {
    await database.query(
      {
        name: 'test-messages',
        text: `INSERT INTO messages (msgid, account_id, accepted_at, due_at, expires_at, scheduled, mobile, body, segments, points, drurl, state, done_at)
          SELECT $1 + n, 1, now(), now(), now(), false, '886911222333', 'x', 1, 1,
            CASE WHEN n <> 1 THEN 'http://A.example:81/r' END, CASE WHEN n <> 2 THEN 'EXPIRED' END, to_timestamp($2 / 1000.0)
          FROM generate_series(0, 2) n`,
      },
      [FIRST_MSGID, NOW_MS],
    );
    const replay = (msgid: number) => replayCallback(database, { msgid }, NOW_MS);
    assert.deepEqual(await replay(FIRST_MSGID), { kind: 'queued', callbackIds: [1] });
    assert.deepEqual(await replay(FIRST_MSGID), { kind: 'queued', callbackIds: [1] });
    assert.deepEqual(await replay(FIRST_MSGID + 1), { kind: 'nothing-owed' });
    assert.deepEqual(await replay(FIRST_MSGID + 2), { kind: 'nothing-owed' });
    assert.deepEqual(await replay(FIRST_MSGID + 3), { kind: 'not-found' });
    assert.deepEqual(await replayCallback(database, { callbackId: 99 }, NOW_MS), { kind: 'not-found' });
    const { claimed } = await claim(1, 10);
    const [callback] = claimed;
    assert.ok(callback?.kind === 'receipt');
    assert.deepEqual([callback.host, callback.state, callback.doneAtMs], ['a.example:81', 'EXPIRED', NOW_MS]);
  });
});
