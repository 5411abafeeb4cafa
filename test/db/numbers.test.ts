import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAccount } from '../../src/store/account-admin.ts';
import { Database } from '../../src/store/database.ts';
import { assignNumber, listNumbers, releaseNumber } from '../../src/store/numbers.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let template: TestDatabase;
let db: Database;

before(async () => {
  template = await createTestDatabase();
  db = new Database(template.url);
  for (const username of ['a', 'b']) await createAccount(db, { username, passwordHash: 'hash', points: 0 });
});

after(async () => {
  await db.stop();
  await template.drop();
});

test('a number belongs to one account until it is released', async () => {
  const number = { snumber: '12345', address: '55123', username: 'a' };
  assert.deepEqual(await assignNumber(db, number), { kind: 'assigned' });
  assert.deepEqual(await assignNumber(db, { ...number, username: 'b' }), { kind: 'number-taken', username: 'a' });
  assert.deepEqual(await assignNumber(db, { snumber: '54321', address: '55123', username: 'b' }), {
    kind: 'address-taken',
    snumber: '12345',
  });
  assert.deepEqual(await assignNumber(db, { ...number, address: '55124' }), { kind: 'assigned' });
  assert.deepEqual(await listNumbers(db), [{ snumber: '12345', address: '55124', username: 'a' }]);
  assert.equal(await releaseNumber(db, '12345'), true);
  assert.equal(await releaseNumber(db, '12345'), false);
  assert.deepEqual(await assignNumber(db, { ...number, username: 'b' }), { kind: 'assigned' });
});

test('an unknown account gets no number', async () => {
  assert.deepEqual(await assignNumber(db, { snumber: '11111', address: '1', username: 'c' }), {
    kind: 'unknown-account',
  });
});

test('two administrators who want the same number at once: one gets it', async () => {
  const outcomes = await Promise.all(
    ['a', 'b', 'a', 'b'].map((username) => assignNumber(db, { snumber: '77777', address: '77777', username })),
  );
  const owner = (await listNumbers(db)).find((number) => number.snumber === '77777')?.username;
  assert.deepEqual(
    outcomes.map((outcome) => outcome.kind),
    ['a', 'b', 'a', 'b'].map((username) => (username === owner ? 'assigned' : 'number-taken')),
  );
});
