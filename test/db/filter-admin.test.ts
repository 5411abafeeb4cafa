import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAccount } from '../../src/store/account-admin.ts';
import { Database } from '../../src/store/database.ts';
import {
  addFilterWord,
  addOptOut,
  listFilterWords,
  listOptOuts,
  removeFilterWord,
  removeOptOut,
} from '../../src/store/filter-admin.ts';
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

test('a word stands once for everybody and once for each account', async () => {
  assert.equal(await addFilterWord(db, { word: '賭博', username: null }), 'added');
  assert.equal(await addFilterWord(db, { word: '賭博', username: null }), 'there-already');
  assert.equal(await addFilterWord(db, { word: '賭博', username: 'a' }), 'added');
  assert.equal(await addFilterWord(db, { word: 'loan', username: 'b' }), 'added');
  assert.equal(await addFilterWord(db, { word: 'loan', username: 'c' }), 'unknown-account');
  assert.equal((await listFilterWords(db, null)).length, 3);
  assert.deepEqual(await listFilterWords(db, 'b'), [
    { word: '賭博', username: null },
    { word: 'loan', username: 'b' },
  ]);
});

test("removing a word of one account leaves everybody's", async () => {
  assert.equal(await removeFilterWord(db, { word: '賭博', username: 'a' }), 'removed');
  assert.equal(await removeFilterWord(db, { word: '賭博', username: 'a' }), 'not-there');
  assert.equal(await removeFilterWord(db, { word: '賭博', username: 'c' }), 'unknown-account');
  assert.ok((await listFilterWords(db, null)).some((entry) => entry.word === '賭博' && entry.username === null));
});

test('a number opts out of one account or of all', async () => {
  const mobile = '886911222333';
  assert.equal(await addOptOut(db, { mobile, username: 'a' }), 'added');
  assert.equal(await addOptOut(db, { mobile, username: 'a' }), 'there-already');
  assert.equal(await addOptOut(db, { mobile, username: null }), 'added');
  assert.equal(await addOptOut(db, { mobile, username: 'c' }), 'unknown-account');
  const listed = await listOptOuts(db, null);
  assert.deepEqual(
    listed.map((optOut) => [optOut.mobile, optOut.username]),
    [
      [mobile, null],
      [mobile, 'a'],
    ],
  );
  assert.ok(listed.every((optOut) => optOut.sinceMs > 0));
  assert.equal((await listOptOuts(db, 'b')).length, 1);
  assert.equal(await removeOptOut(db, { mobile, username: null }), 'removed');
  assert.equal(await removeOptOut(db, { mobile, username: null }), 'not-there');
  assert.equal(await removeOptOut(db, { mobile, username: 'c' }), 'unknown-account');
  assert.deepEqual(
    (await listOptOuts(db, null)).map((optOut) => optOut.username),
    ['a'],
  );
});
