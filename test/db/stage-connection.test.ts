import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Database, isConnectionLoss } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let testDatabase: TestDatabase;
let database: Database;
before(async () => {
  testDatabase = await createTestDatabase();
  database = new Database(testDatabase.url);
});
after(async () => {
  await database.stop();
  await testDatabase.drop();
});

const ONE = { name: 'one', text: 'SELECT 1 AS n' };

test('a commit whose wait for replicas was cancelled counts as unresolved', async () => {
  const stage = database.stage();
  const cancelled = {
    name: 'cancelled',
    text: "DO $$ BEGIN RAISE WARNING 'canceling wait for synchronous replication due to user request'; END $$",
  };
  await assert.rejects(stage.query(cancelled, []), (error) => isConnectionLoss(error));
  assert.deepEqual(await stage.query(ONE, []), [{ n: 1 }]);
});

test('a server that does not answer is not waited for for ever, and the next statement connects anew', async () => {
  const stage = database.stage({ queryTimeoutMs: 100 });
  await assert.rejects(stage.query({ name: 'sleep', text: 'SELECT pg_sleep(60)' }, []), (error) =>
    isConnectionLoss(error),
  );
  assert.deepEqual(await stage.query(ONE, []), [{ n: 1 }]);
});

test('a statement that fails leaves the connection as it is', async () => {
  const stage = database.stage();
  const fails = { name: 'fails', text: 'SELECT 1 / 0' };
  await assert.rejects(stage.query(fails, []), (error) => !isConnectionLoss(error));
  await assert.rejects(
    stage.transaction((tx) => tx.query(fails, [])),
    (error) => !isConnectionLoss(error),
  );
  assert.deepEqual(await stage.query(ONE, []), [{ n: 1 }]);
});

test('only a stage that may forget does not wait for the disk', async () => {
  const show = {
    name: 'show',
    text: "SELECT setting || ' by the ' || source AS waits FROM pg_settings WHERE name = 'synchronous_commit' AND source = 'client'",
  };
  assert.deepEqual(await database.stage({ mayForget: true }).query(show, []), [{ waits: 'off by the client' }]);
  assert.deepEqual(await database.stage().query(show, []), []);
});
