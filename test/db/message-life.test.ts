import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { acceptBatch } from '../../src/store/acceptance.ts';
import { createAccount } from '../../src/store/account-admin.ts';
import { Database } from '../../src/store/database.ts';
import { readMessageLife } from '../../src/store/message-life.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const NOW_MS = 1_900_000_000_123;
const MSGID = 100_000_000;
let template: TestDatabase;
let db: Database;
let client: pg.Client;

before(async () => {
  template = await createTestDatabase();
  db = new Database(template.url);
  client = new pg.Client(template.url);
  await client.connect();
  await client.query(`INSERT INTO operators (name, settings) VALUES ('alpha', '{}')`);
  await makePartitions(db);
  const created = await createAccount(db, { username: 'u', passwordHash: 'hash', points: 10 });
  assert.equal(created.kind, 'created');
  await acceptBatch(db, NOW_MS, [
    {
      msgid: MSGID,
      accountId: 1,
      accountVersion: 1,
      mobile: '886911222333',
      body: '您好',
      segments: 1,
      points: 1,
      runningPoints: 1,
      runningSegments: 1,
      dueAtMs: undefined,
      validitySeconds: 300,
      drurl: 'https://example.com/cb',
      operatorId: 1,
      sourceAddress: undefined,
      claimed: false,
    },
  ]);
});

after(async () => {
  await client.end();
  await db.stop();
  await template.drop();
});

test('a message that waits is shown with its place in the queue', async () => {
  const life = await readMessageLife(db, MSGID);
  assert.deepEqual(life?.message, {
    msgid: MSGID,
    username: 'u',
    acceptedAtMs: NOW_MS,
    dueAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 300_000,
    scheduled: false,
    mobile: '886911222333',
    body: '您好',
    segments: 1,
    points: 1,
    refunded: 0,
    drurl: 'https://example.com/cb',
    state: null,
    correctable: false,
    doneAtMs: null,
  });
  assert.deepEqual(life.events, []);
  assert.deepEqual(life.places, [
    { place: 'queue', operator: 'alpha', rank: 1, claimedByEpoch: null, attempts: 0, resends: 0 },
  ]);
});

test('events come in the order of time, those of one instant as they were written', async () => {
  await client.query(
    `INSERT INTO message_events (msgid, at, kind, operator_id, segment, link, sequence, operator_message_id, status, detail)
     SELECT $1, to_timestamp((($2::float8) + ms) / 1000), kind, 1, 1, 'alpha/0', n, 'A1', 0, NULL
     FROM unnest($3::int[], $4::text[]) WITH ORDINALITY AS e(ms, kind, n)`,
    [MSGID, NOW_MS, [20, 10, 20], ['receipt', 'submitted', 'final']],
  );
  const life = await readMessageLife(db, MSGID);
  assert.deepEqual(
    life?.events.map((event) => [event.kind, event.atMs - NOW_MS]),
    [
      ['submitted', 10],
      ['receipt', 20],
      ['final', 20],
    ],
  );
  assert.deepEqual(life.events[0], {
    atMs: NOW_MS + 10,
    kind: 'submitted',
    operator: 'alpha',
    segment: 1,
    link: 'alpha/0',
    sequence: 2,
    operatorMessageId: 'A1',
    status: 0,
    detail: null,
  });
});

test('segments in flight and callbacks owed are places, too', async () => {
  await client.query('DELETE FROM queue');
  await client.query(
    `INSERT INTO in_flight (operator_message_id, operator_id, msgid, segment, segments, mobile, submitted_at, overdue_at)
     VALUES ('A1', 1, $1, 1, 1, '886911222333', to_timestamp($2 / 1000.0), to_timestamp($2 / 1000.0))`,
    [MSGID, NOW_MS],
  );
  await client.query(
    `INSERT INTO outbox (kind, account_id, msgid, url, host, created_at, next_at, give_up_at)
     VALUES ('receipt', 1, $1, 'https://example.com/cb', 'example.com', now(), to_timestamp($2 / 1000.0), to_timestamp($2 / 1000.0))`,
    [MSGID, NOW_MS],
  );
  await client.query(
    `INSERT INTO deferred (msgid, due_at, why, operator_id, account_id, mobile, body, segments, accepted_at, expires_at)
     VALUES ($1, to_timestamp($2 / 1000.0), 'retry', 1, 1, '886911222333', 'x', 1, now(), now())`,
    [MSGID, NOW_MS],
  );
  const life = await readMessageLife(db, MSGID);
  assert.deepEqual(
    life?.places.map((place) => place.place),
    ['deferred', 'in-flight', 'outbox'],
  );
});

test('an unknown msgid has no life', async () => {
  assert.equal(await readMessageLife(db, 99_999_999_999), undefined);
});
