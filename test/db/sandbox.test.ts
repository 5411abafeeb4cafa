import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { verifyPassword } from '../../src/base/password.ts';
import { setPasswordHash } from '../../src/store/account-admin.ts';
import { Database } from '../../src/store/database.ts';
import { ensureDemoAccounts, ensureSimulatedOperator, SIMULATED_OPERATOR_NAME } from '../../src/store/demo-accounts.ts';
import { findOperator } from '../../src/store/operators.ts';
import { enterSandbox, leaveSandbox } from '../../src/store/sandbox.ts';
import { hashPassword } from '../../src/base/password.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let testDatabase: TestDatabase;
let database: Database;
before(async () => {
  testDatabase = await createTestDatabase();
  database = new Database(testDatabase.url);
  await ensureDemoAccounts(database);
  await ensureSimulatedOperator(database, { host: '127.0.0.1', port: 2775, systemId: 'feige', password: 'simulate' });
});
after(async () => {
  await database.stop();
  await testDatabase.drop();
});

async function opens(username: string, password: string): Promise<boolean> {
  const [row] = await database.query<{ hash: string }>(
    { name: 'test-hash', text: 'SELECT password_hash AS hash FROM accounts WHERE username = $1' },
    [username],
  );
  return verifyPassword(password, row?.hash ?? '');
}

test('with the simulator off no published password opens an account, and with it on again they do', async () => {
  await setPasswordHash(database, 'test123', await hashPassword('my-own'));
  const locked = await leaveSandbox(database);
  assert.ok(locked.includes('test'));
  assert.ok(!locked.includes('test123'), 'its password is nobody else’s');
  assert.equal(await opens('test', '1234'), false);
  assert.equal(await opens('test123', 'my-own'), true);
  assert.equal((await findOperator(database, SIMULATED_OPERATOR_NAME))?.enabled, false);
  assert.deepEqual(await leaveSandbox(database), []);
  await enterSandbox(database);
  assert.equal(await opens('test', '1234'), true);
  assert.equal((await findOperator(database, SIMULATED_OPERATOR_NAME))?.enabled, true);
});
