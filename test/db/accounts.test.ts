import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAccount, setAccount, setPasswordHash } from '../../src/store/account-admin.ts';
import { type Account, AccountDirectory } from '../../src/store/accounts.ts';
import { Database, type Parameter, type Queryable, type Statement } from '../../src/store/database.ts';
import { movePoints } from '../../src/store/ledger.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let testDatabase: TestDatabase;
let database: Database;

before(async () => {
  testDatabase = await createTestDatabase();
  database = new Database(testDatabase.url);
  for (const username of ['first', 'second', 'third']) {
    await createAccount(database, { username, passwordHash: 'h', points: 10, settings: { ipAllow: ['192.0.2.0/24'] } });
  }
});
after(async () => {
  await database.stop();
  await testDatabase.drop();
});

/** Counts statements by name and tells of each when it is done. */
class CountingDatabase implements Queryable {
  readonly statements: string[] = [];
  isAway = false;
  #told: (() => void)[] = [];

  async query<Row>(statement: Statement, parameters: readonly Parameter[]): Promise<Row[]> {
    this.statements.push(statement.name);
    try {
      if (this.isAway) throw new Error('nobody there');
      return await database.query<Row>(statement, parameters);
    } finally {
      // Told a turn later: whoever asked has seen the answer by then.
      setImmediate(() => {
        for (const tell of this.#told.splice(0)) tell();
      });
    }
  }

  next(): Promise<void> {
    return new Promise((resolve) => this.#told.push(resolve));
  }

  count(name: string): number {
    return this.statements.filter((statement) => statement === name).length;
  }
}

async function found(directory: AccountDirectory, username: string): Promise<Account> {
  return (await directory.find(username)) ?? assert.fail(`no ${username}`);
}

test('an account is read once and then found at once, with numbers for its bigints', async () => {
  const counting = new CountingDatabase();
  const directory = new AccountDirectory({ database: counting });
  const account = await found(directory, 'first');
  assert.deepEqual(
    { ...account, accountId: 0 },
    {
      accountId: 0,
      username: 'first',
      passwordHash: 'h',
      state: 'active',
      api: true,
      international: false,
      ipAllow: ['192.0.2.0/24'],
      textEncoding: 'auto',
      doubleEncoding: 'auto',
      incomingUrl: undefined,
      sourceAddress: undefined,
      share: 1,
      version: 1,
      balance: 10,
    },
  );
  assert.equal(directory.find('first'), account);
  assert.equal(counting.count('accounts.by-username'), 1);
});

test('names asked for at the same time share a statement, and unknown names are not kept', async () => {
  const counting = new CountingDatabase();
  const directory = new AccountDirectory({ database: counting });
  const names = ['first', 'second', 'second', 'nobody', 'third'];
  const accounts = await Promise.all(names.map(async (username) => directory.find(username)));
  assert.deepEqual(
    accounts.map((account) => account?.username),
    ['first', 'second', 'second', undefined, 'third'],
  );
  assert.equal(counting.count('accounts.by-username'), 2);
  await createAccount(database, { username: 'nobody', passwordHash: 'h', points: 0 });
  assert.equal((await directory.find('nobody'))?.username, 'nobody');
});

test('a change of password, state, API switch or IP list is seen within two seconds, other accounts stay kept', async () => {
  const counting = new CountingDatabase();
  const directory = new AccountDirectory({ database: counting });
  const second = await found(directory, 'second');
  await found(directory, 'first');
  directory.start();
  const changes = [
    () => setPasswordHash(database, 'first', 'other'),
    () => setAccount(database, 'first', { state: 'disabled' }),
    () => setAccount(database, 'first', { api: false }),
    () => setAccount(database, 'first', { ipAllow: [] }),
  ];
  for (const change of changes) {
    const before = await found(directory, 'first');
    await change();
    const startedAtMs = performance.now();
    while (directory.find('first') === before) await counting.next();
    assert.ok(performance.now() - startedAtMs < 2_500);
  }
  const { passwordHash, state, api, ipAllow } = await found(directory, 'first');
  assert.deepEqual([passwordHash, state, api, ipAllow], ['other', 'disabled', false, []]);
  assert.equal(directory.find('second'), second);
  await directory.stop();
});

test('a deleted account is forgotten', async () => {
  const counting = new CountingDatabase();
  const directory = new AccountDirectory({ database: counting });
  await createAccount(database, { username: 'leaving', passwordHash: 'h', points: 0 });
  await found(directory, 'leaving');
  directory.start();
  await database.query({ name: 'test.delete', text: 'DELETE FROM accounts WHERE username = $1' }, ['leaving']);
  while (!(directory.find('leaving') instanceof Promise)) await counting.next();
  assert.equal(await directory.find('leaving'), undefined);
  await directory.stop();
});

test('what the database cannot confirm is not trusted for long, and a look-up without it fails', async () => {
  const counting = new CountingDatabase();
  const directory = new AccountDirectory({ database: counting });
  await found(directory, 'second');
  directory.start();
  counting.isAway = true;
  const awaySinceMs = performance.now();
  while (!(directory.find('second') instanceof Promise)) await counting.next();
  assert.ok(performance.now() - awaySinceMs < 5_000);
  await assert.rejects(async () => directory.find('second'));
  counting.isAway = false;
  assert.equal((await directory.find('second'))?.username, 'second');
  await directory.stop();
});

test('a balance is read freshly, and askers of one moment share the read', async () => {
  const counting = new CountingDatabase();
  const directory = new AccountDirectory({ database: counting });
  const { accountId } = await found(directory, 'third');
  await movePoints(database, { username: 'third', kind: 'topup', points: 5, note: null });
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => directory.readBalance(accountId))), [15, 15, 15]);
  assert.equal(counting.count('accounts.balance'), 1);
  assert.equal(await directory.readBalance(0), undefined);
});
