import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  createAccount,
  listAccounts,
  setAccount,
  setPasswordHash,
  showAccount,
} from '../../src/store/account-admin.ts';
import { Database } from '../../src/store/database.ts';
import { checkLedger, readStatement } from '../../src/store/ledger.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let template: TestDatabase;
let db: Database;

before(async () => {
  template = await createTestDatabase();
  db = new Database(template.url);
});

after(async () => {
  await db.stop();
  await template.drop();
});

async function create(username: string, points = 0) {
  const created = await createAccount(db, { username, passwordHash: 'hash', points });
  assert.equal(created.kind, 'created');
  return created.kind === 'created' ? created.account : assert.fail();
}

test('a new account has the defaults of the specification and its opening balance in the ledger', async () => {
  const account = await create('plain', 100);
  const { accountId, createdAtMs, ...rest } = account;
  assert.ok(createdAtMs > 0);
  assert.deepEqual(rest, {
    username: 'plain',
    state: 'active',
    api: true,
    international: false,
    ipAllow: [],
    textEncoding: 'auto',
    doubleEncoding: 'auto',
    incomingUrl: null,
    sourceAddress: null,
    share: 1,
    version: 1,
    balance: 100,
  });
  const entries = await readStatement(db, { accountId, limit: 10, before: null });
  assert.deepEqual(
    entries.map((entry) => [entry.kind, entry.points, entry.balance, entry.note]),
    [['topup', 100, 100, 'opening balance']],
  );
});

test('an account without points has an empty statement', async () => {
  const { accountId } = await create('empty');
  assert.deepEqual(await readStatement(db, { accountId, limit: 10, before: null }), []);
});

test('a name that is taken is refused and neither account nor ledger change', async () => {
  const first = await create('twice', 10);
  assert.deepEqual(await createAccount(db, { username: 'twice', passwordHash: 'other', points: 99 }), {
    kind: 'exists',
  });
  assert.deepEqual(await showAccount(db, 'twice'), first);
  assert.deepEqual((await checkLedger(db)).mismatches, []);
});

test('every setting can be changed, one leaves the others alone, and each change raises the version', async () => {
  await create('changing');
  const changed = await setAccount(db, 'changing', {
    state: 'disabled',
    api: false,
    international: true,
    ipAllow: ['192.0.2.0/24', '2001:db8::/32'],
    textEncoding: 'big5',
    doubleEncoding: 'never',
    incomingUrl: 'https://example.com/in',
    sourceAddress: 'FEIGE',
    share: 2.5,
  });
  assert.equal(changed?.version, 2);
  const after = await setAccount(db, 'changing', { state: 'active', incomingUrl: null });
  assert.deepEqual(after, { ...changed, state: 'active', incomingUrl: null, version: 3 });
  assert.equal((await setAccount(db, 'changing', { ipAllow: [], sourceAddress: null }))?.sourceAddress, null);
  assert.deepEqual((await showAccount(db, 'changing'))?.ipAllow, []);
});

test('a new password raises the version, so that nodes forget the old one', async () => {
  await create('locked');
  assert.equal(await setPasswordHash(db, 'locked', 'new hash'), true);
  assert.equal((await showAccount(db, 'locked'))?.version, 2);
});

test('nobody is changed when the name is unknown', async () => {
  assert.equal(await setAccount(db, 'nobody', { api: false }), undefined);
  assert.equal(await setPasswordHash(db, 'nobody', 'hash'), false);
  assert.equal(await showAccount(db, 'nobody'), undefined);
});

test('names differ by their capitals, and accounts are listed as they were made', async () => {
  await create('Case');
  await create('case');
  const names = (await listAccounts(db)).map((account) => account.username);
  assert.deepEqual(names.slice(-2), ['Case', 'case']);
});
