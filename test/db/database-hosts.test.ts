import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { Database, isReadOnly } from '../../src/store/database.ts';
import { connectWritable, databaseHosts } from '../../src/store/database-hosts.ts';
import { migrate } from '../../src/store/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const BACKEND = { name: 'backend', text: 'SELECT pg_backend_pid() AS pid' };

let testDatabase: TestDatabase;
before(async () => {
  testDatabase = await createTestDatabase();
});
after(() => testDatabase.drop());

/** The same database, with other hosts before its own. */
function behind(...hosts: string[]): string {
  const url = new URL(testDatabase.url);
  return testDatabase.url.replace(url.host, [...hosts, url.host].join(','));
}

/** Takes connections and never says a word. */
async function startMuteServer(): Promise<{ host: string; stop: () => Promise<void> }> {
  const server = createServer((socket) => socket.on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.close();
    },
  };
}

test('each host of the address is one address, with what holds for all', () => {
  assert.deepEqual(databaseHosts('postgresql://u:p@a:1,b:2/db?target_session_attrs=read-write'), [
    'postgresql://u:p@a:1/db?target_session_attrs=read-write',
    'postgresql://u:p@b:2/db?target_session_attrs=read-write',
  ]);
});

test('a host that refuses and one that keeps silent hold up neither stages, look-ups, transactions nor migrations', async () => {
  const mute = await startMuteServer();
  const url = `${behind('127.0.0.1:1', mute.host)}?target_session_attrs=read-write`;
  const database = new Database(url);
  try {
    const startedMs = performance.now();
    assert.equal((await database.stage().query(BACKEND, [])).length, 1);
    assert.equal((await database.query(BACKEND, [])).length, 1);
    assert.equal((await database.transaction((tx) => tx.query(BACKEND, []))).length, 1);
    assert.deepEqual(await migrate(url), []);
    assert.ok(performance.now() - startedMs < 15_000, 'each waits for one time-out of 5 s otherwise');
  } finally {
    await database.stop();
    await mute.stop();
  }
});

test('of several hosts none is used that takes no writes, and the error says so', async () => {
  const database = new Database(behind('127.0.0.1:1'));
  const admin = await connectWritable(testDatabase.url);
  const name = new URL(testDatabase.url).pathname.slice(1);
  try {
    await admin.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await assert.rejects(database.stage().query(BACKEND, []), {
      code: 'DATABASE_UNREACHABLE',
      message: /standby, or read-only/,
    });
    await admin.query(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
    assert.equal((await database.stage().query(BACKEND, [])).length, 1);
  } finally {
    await admin.end();
    await database.stop();
  }
});

test('a connection whose server became read-only is left', async () => {
  const database = new Database(testDatabase.url);
  const stage = database.stage();
  try {
    const [before] = await stage.query<{ pid: number }>(BACKEND, []);
    await stage.query({ name: 'read-only', text: 'SET default_transaction_read_only = on' }, []);
    await assert.rejects(stage.query({ name: 'write', text: 'UPDATE clock_shift SET offset_ms = 0' }, []), (error) =>
      isReadOnly(error),
    );
    const [afterwards] = await stage.query<{ pid: number }>(BACKEND, []);
    assert.notEqual(afterwards?.pid, before?.pid);
  } finally {
    await database.stop();
  }
});

test('a wrong password is named', async () => {
  const url = new URL(testDatabase.url);
  url.password = 'wrong';
  await assert.rejects(connectWritable(url.href), { code: 'DATABASE_UNREACHABLE', message: /password/ });
});
