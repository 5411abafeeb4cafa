import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import pg from 'pg';
import { acceptBatch } from '../../src/store/acceptance.ts';
import { createAccount } from '../../src/store/account-admin.ts';
import { Database } from '../../src/store/database.ts';
import { checkLedger, movePoints, readChargedMessages, readStatement } from '../../src/store/ledger.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const NOW_MS = 1_900_000_000_000;
let template: TestDatabase;
let db: Database;
let client: pg.Client;
let nextMsgid = 100_000_000;

before(async () => {
  template = await createTestDatabase();
  db = new Database(template.url);
  client = new pg.Client(template.url);
  await client.connect();
  await client.query(`INSERT INTO operators (name, settings) VALUES ('o', '{}')`);
  await makePartitions(db);
});

afterEach(async () => {
  await client.query('TRUNCATE messages, message_events, queue, deferred, ledger, accounts CASCADE');
});

after(async () => {
  await client.end();
  await db.stop();
  await template.drop();
});

async function makeAccount(username: string, points: number): Promise<number> {
  const created = await createAccount(db, { username, passwordHash: 'hash', points });
  return created.kind === 'created' ? created.account.accountId : assert.fail('exists');
}

/** One batch of messages of one account, as acceptance stores it. */
async function accept(accountId: number, prices: number[], nowMs = NOW_MS): Promise<number[]> {
  const msgids = prices.map(() => nextMsgid++);
  const { rejected } = await acceptBatch(
    db,
    nowMs,
    prices.map((points, index) => ({
      msgid: msgids[index] ?? 0,
      accountId,
      accountVersion: 1,
      mobile: '886911222333',
      body: 'x',
      segments: points,
      points,
      runningPoints: prices.slice(0, index + 1).reduce((sum, price) => sum + price, 0),
      runningSegments: index + 1,
      dueAtMs: undefined,
      validitySeconds: 28_800,
      drurl: undefined,
      operatorId: 1,
      sourceAddress: undefined,
      claimed: false,
    })),
  );
  assert.deepEqual(rejected, []);
  return msgids;
}

test('points go up by a top-up and down by a correction, each with its row', async () => {
  const accountId = await makeAccount('u', 10);
  const added = await movePoints(db, { username: 'u', kind: 'topup', points: 5, note: 'invoice 7' });
  assert.equal(added.kind === 'moved' && added.balance, 15);
  const taken = await movePoints(db, { username: 'u', kind: 'correction', points: -15, note: null });
  assert.equal(taken.kind === 'moved' && taken.balance, 0);
  const entries = await readStatement(db, { accountId, limit: 10, before: null });
  assert.deepEqual(
    entries.map((entry) => [entry.kind, entry.points, entry.balance, entry.note]),
    [
      ['correction', -15, 0, null],
      ['topup', 5, 15, 'invoice 7'],
      ['topup', 10, 10, 'opening balance'],
    ],
  );
  assert.deepEqual(await checkLedger(db), { accounts: 1, mismatches: [] });
});

test('a correction below zero is refused, names the balance, and leaves nothing behind', async () => {
  const accountId = await makeAccount('u', 10);
  assert.deepEqual(await movePoints(db, { username: 'u', kind: 'correction', points: -11, note: null }), {
    kind: 'below-zero',
    balance: 10,
  });
  assert.equal((await readStatement(db, { accountId, limit: 10, before: null })).length, 1);
});

test('nobody gets the points of an unknown name', async () => {
  assert.deepEqual(await movePoints(db, { username: 'u', kind: 'topup', points: 1, note: null }), {
    kind: 'unknown-account',
  });
});

test('a statement page by page has the balances of the whole one', async () => {
  const accountId = await makeAccount('u', 1);
  for (let points = 2; points <= 7; points += 1) {
    await movePoints(db, { username: 'u', kind: 'topup', points, note: null });
  }
  const whole = await readStatement(db, { accountId, limit: 100, before: null });
  assert.deepEqual(
    whole.map((entry) => entry.balance),
    [28, 21, 15, 10, 6, 3, 1],
  );
  const pages = [];
  let before: number | null = null;
  for (let page = 0; page < 4; page += 1) {
    const entries = await readStatement(db, { accountId, limit: 2, before });
    pages.push(...entries);
    before = entries.at(-1)?.entryId ?? null;
  }
  assert.deepEqual(pages, whole);
});

test('a charge row is expanded to its own messages, even where another batch lies in its range', async () => {
  const accountId = await makeAccount('u', 100);
  const wide = [nextMsgid, nextMsgid + 10];
  nextMsgid += 1;
  const inner = await accept(accountId, [2, 3], NOW_MS + 5);
  nextMsgid = (wide[0] ?? 0) + 11;
  await client.query(
    `WITH m AS (INSERT INTO messages (msgid, account_id, accepted_at, due_at, expires_at, scheduled, mobile, body, segments, points)
       SELECT unnest($1::bigint[]), $2, to_timestamp($3 / 1000.0), now(), now(), false, '886911222333', 'x', 1, 1),
     l AS (INSERT INTO ledger (account_id, at, kind, points, messages, first_msgid, last_msgid)
       VALUES ($2, to_timestamp($3 / 1000.0), 'charge', -2, 2, ($1::bigint[])[1], ($1::bigint[])[2]))
     UPDATE accounts SET balance = balance - 2 WHERE account_id = $2`,
    [wide, accountId, NOW_MS],
  );
  const charges = (await readStatement(db, { accountId, limit: 10, before: null })).filter((e) => e.kind === 'charge');
  const messages = await readChargedMessages(db, { entryIds: charges.map((e) => e.entryId), limit: 100 });
  assert.deepEqual(
    charges.map((charge) => messages.filter((m) => m.entryId === charge.entryId).map((m) => m.msgid)),
    [wide, inner],
  );
  assert.deepEqual((await checkLedger(db)).mismatches, []);
});

test('what acceptance charges agrees with its messages', async () => {
  const [a, b] = [await makeAccount('a', 100), await makeAccount('b', 100)];
  await accept(a, [1, 2, 3]);
  await accept(b, [5], NOW_MS);
  await accept(a, [4], NOW_MS);
  assert.deepEqual(await checkLedger(db), { accounts: 2, mismatches: [] });
});

for (const [name, sql, check] of [
  ['a balance changed by hand', 'UPDATE accounts SET balance = balance + 1', 'balance'],
  ['an account deleted by hand', 'DELETE FROM accounts', 'balance'],
  ["a message's points changed by hand", 'UPDATE messages SET points = 9 WHERE points = 3', 'charges'],
  ['a message lost', 'DELETE FROM messages WHERE points = 3', 'charges'],
  ['a charge lost', `DELETE FROM ledger WHERE kind = 'charge'`, 'charges'],
  ['a refund without its row', 'UPDATE messages SET refunded = 1 WHERE points = 3', 'refunds'],
] as const) {
  test(`${name} is found and named`, async () => {
    const accountId = await makeAccount('u', 100);
    await accept(accountId, [1, 3]);
    await client.query(sql);
    const { mismatches } = await checkLedger(db);
    const found = mismatches.find((mismatch) => mismatch.check === check);
    assert.equal(found?.accountId, accountId, JSON.stringify(mismatches));
    assert.equal(found.username, name === 'an account deleted by hand' ? null : 'u');
  });
}

test('messages dropped with their partition are no mismatch', async () => {
  const accountId = await makeAccount('u', 100);
  const [msgid] = await accept(accountId, [1, 3]);
  await client.query(
    `INSERT INTO ledger (account_id, at, kind, points, messages, first_msgid, last_msgid) VALUES ($1, now(), 'refund', 1, 1, $2, $2)`,
    [accountId, msgid],
  );
  await client.query('UPDATE accounts SET balance = balance + 1');
  assert.deepEqual(
    (await checkLedger(db)).mismatches.map((mismatch) => mismatch.check),
    ['refunds'],
  );
  await client.query('DROP TABLE messages_00100000000');
  try {
    assert.deepEqual((await checkLedger(db)).mismatches, []);
  } finally {
    await makePartitions(db);
  }
});
