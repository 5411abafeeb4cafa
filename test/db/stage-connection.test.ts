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

const MAKE = { name: 'make', text: 'CREATE TABLE IF NOT EXISTS written (what text)' };
const WRITE = { name: 'write', text: 'INSERT INTO written (what) VALUES ($1)' };
const WRITTEN = { name: 'written', text: 'SELECT what FROM written ORDER BY what' };
const MY_PID = { name: 'my-pid', text: 'SELECT pg_backend_pid() AS pid' };
const END = { name: 'end', text: 'SELECT pg_terminate_backend($1)' };
const LOCK = { name: 'lock', text: 'UPDATE clock_shift SET offset_ms = 0' };
/** A node that stands still in a transaction keeps its locks no longer than a lease. */
const LOCKS_HELD_MS = 8_000;

test('a transaction whose connection is lost writes nothing outside of it', async () => {
  const stage = database.stage();
  await database.query(MAKE, []);
  const lost = stage.transaction(async (tx) => {
    await tx.query(WRITE, ['before the loss']);
    const [row] = await tx.query<{ pid: number }>(MY_PID, []);
    await database.query(END, [row?.pid ?? 0]);
    // Until the stage has noticed: its next own statement would go over a new connection.
    await stage.query(ONE, []).catch(() => {});
    await tx.query(WRITE, ['after the loss']);
  });
  await assert.rejects(lost);
  assert.deepEqual(await database.query(WRITTEN, []), []);
  assert.deepEqual(await stage.query(ONE, []), [{ n: 1 }]);
});

test('a node that stands still in a transaction does not keep its locks for long', async () => {
  const stage = database.stage();
  const woken = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const stands = stage.transaction(async (tx) => {
    await tx.query(LOCK, []);
    locked.resolve();
    await woken.promise;
  });
  const ended = assert.rejects(stands);
  await locked.promise;
  const startedMs = performance.now();
  await database.query(LOCK, []);
  assert.ok(performance.now() - startedMs < LOCKS_HELD_MS);
  woken.resolve();
  await ended;
});
