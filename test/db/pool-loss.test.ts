import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Database } from '../../src/store/database.ts';
import { FaultProxy } from '../faults/fault-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let testDatabase: TestDatabase;
before(async () => {
  testDatabase = await createTestDatabase();
});
after(async () => {
  await testDatabase.drop();
});

const ONE = { name: 'one', text: 'SELECT 1 AS n' };
const SLEEP = { name: 'sleep', text: 'SELECT pg_sleep(60)' };
/** The first byte of Terminate, in PostgreSQL's protocol. */
const TERMINATE_MESSAGE = 'X'.charCodeAt(0);
const POOL_CONNECTIONS = 8;
const WAITING = 20;
/** Less than what a look-up waits for a connection. */
const SOON_MS = 3_000;
/** Longer than a connection may take to be made. */
const AWAY_MS = 6_000;
const LOOK_EVERY_MS = 20;

test('look-ups that wait for a connection are served although those before them lost theirs', async () => {
  const database = new Database(testDatabase.url);
  const admin = new Database(testDatabase.url);
  const running = Array.from({ length: POOL_CONNECTIONS }, () => database.query(SLEEP, []));
  const failed = Promise.allSettled(running);
  for (;;) {
    const [row] = await admin.query<{ sleeping: number }>(SLEEPING, []);
    if (row?.sleeping === POOL_CONNECTIONS) break;
  }
  const startedMs = performance.now();
  const waiting = Promise.allSettled(Array.from({ length: WAITING }, () => database.query(ONE, [])));
  // A turn, so that they wait when their elders fall.
  await admin.query(ONE, []);
  await admin.query(TERMINATE, []);
  assert.deepEqual(new Set((await failed).map((one) => one.status)), new Set(['rejected']));
  const outcomes = await waiting;
  assert.deepEqual(
    outcomes.filter((one) => one.status === 'rejected').map((one) => String(one.reason)),
    [],
  );
  assert.ok(performance.now() - startedMs < SOON_MS);
  await database.stop();
  await admin.stop();
});

test('a look-up whose server vanished without a word is given up, and the next one connects anew', async () => {
  const { hostname: host, port } = new URL(testDatabase.url);
  const proxy = new FaultProxy({ host, port: Number(port) });
  const url = new URL(testDatabase.url);
  url.port = String(await proxy.listen());
  const database = new Database(url.href, { queryTimeoutMs: 200 });
  assert.deepEqual(await database.query(ONE, []), [{ n: 1 }]);
  proxy.setState({ kind: 'silent' });
  await assert.rejects(database.query(ONE, []), /timeout/i);
  proxy.setState({ kind: 'open' });
  assert.deepEqual(await database.query(ONE, []), [{ n: 1 }]);
  await database.stop();
  await proxy.stop();
});

test('an administrative transaction whose server vanished without a word is given up', async () => {
  const { hostname: host, port } = new URL(testDatabase.url);
  const proxy = new FaultProxy({ host, port: Number(port) });
  const url = new URL(testDatabase.url);
  url.port = String(await proxy.listen());
  const database = new Database(url.href, { queryTimeoutMs: 200 });
  const vanished = database.transaction(async (tx) => {
    await tx.query(ONE, []);
    proxy.setState({ kind: 'silent' });
    await tx.query(ONE, []);
  });
  await assert.rejects(vanished, /timeout/i);
  await database.stop();
  await proxy.stop();
});

test('look-ups are served although a goodbye to the server is never answered', async (t) => {
  const url = new URL(testDatabase.url);
  const { hostname: host, port } = url;
  const sockets: Socket[] = [];
  // Falls silent with the goodbye of each connection, and passes on no end.
  const line = createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ host, port: Number(port) });
    sockets.push(client, server);
    let said = false;
    client.on('data', (bytes) => {
      said ||= bytes[0] === TERMINATE_MESSAGE;
      if (!said) server.write(bytes);
    });
    server.on('data', (bytes) => client.write(bytes));
  }).listen(0, '127.0.0.1');
  await once(line, 'listening');
  url.port = String((line.address() as AddressInfo).port);
  const database = new Database(url.href);
  t.after(async () => {
    line.close();
    for (const socket of sockets) socket.destroy();
    await database.stop();
  });
  const late = pause(SOON_MS, 'never', { ref: false });
  assert.deepEqual(await Promise.race([database.query(ONE, []), late]), [{ n: 1 }]);
});

for (const kind of ['silent', 'closed'] as const) {
  test(`look-ups and stages work again at once when a line that was ${kind} for long is back`, async (t) => {
    const { hostname: host, port } = new URL(testDatabase.url);
    const proxy = new FaultProxy({ host, port: Number(port) });
    const url = new URL(testDatabase.url);
    url.port = String(await proxy.listen());
    const database = new Database(url.href);
    const stage = database.stage();
    t.after(async () => {
      await proxy.stop();
      await database.stop();
    });
    const asks = [() => stage.query(ONE, []), () => database.query(ONE, [])];
    for (const ask of asks) await ask();
    proxy.setState({ kind });
    const working = asks.map(untilItWorks);
    await pause(AWAY_MS);
    const backMs = performance.now();
    proxy.setState({ kind: 'open' });
    await Promise.all(working);
    const took = performance.now() - backMs;
    assert.ok(took < SOON_MS, `${took} ms`);
  });
}

async function untilItWorks(ask: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await ask();
      return;
    } catch {
      await pause(LOOK_EVERY_MS);
    }
  }
}

const SLEEPING = {
  name: 'sleeping',
  text: "SELECT count(*)::int AS sleeping FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()",
};
const TERMINATE = {
  name: 'terminate',
  text: 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
};
