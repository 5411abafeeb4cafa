import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Database } from '../../src/store/database.ts';
import { durabilityRisks } from '../../src/store/durability.ts';
import { runAsAdmin } from '../harness/cluster.ts';
import { createTestDatabase } from '../harness/database.ts';
import { makeDataDir, startPlatformProcess } from '../harness/platform-process.ts';

// The tests' own PostgreSQL runs with all three settings off.
test('a start on a database that may lose what it committed says so, a line for each setting', async () => {
  const testDatabase = await createTestDatabase();
  const directory = await makeDataDir();
  const platform = await startPlatformProcess({ dataDir: directory.path, env: { DATABASE_URL: testDatabase.url } });
  try {
    for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit']) {
      const lines = platform.output().match(new RegExp(`"${setting} is off: `, 'g'));
      assert.equal(lines?.length, 1, setting);
    }
  } finally {
    await platform.end('SIGTERM');
    await testDatabase.drop();
    await directory.remove();
  }
});

test('what counts is what holds for a connection of the platform, not the server’s file', async () => {
  const testDatabase = await createTestDatabase();
  const database = new Database(testDatabase.url);
  const name = new URL(testDatabase.url).pathname.slice(1);
  const settings = async (): Promise<string[]> => (await durabilityRisks(database)).map(({ setting }) => setting);
  try {
    assert.deepEqual(await settings(), ['fsync', 'full_page_writes', 'synchronous_commit']);
    await runAsAdmin(testDatabase.url, `ALTER DATABASE ${name} SET synchronous_commit = on`);
    assert.deepEqual(await settings(), ['fsync', 'full_page_writes']);
  } finally {
    await database.stop();
    await testDatabase.drop();
  }
});

test('several hosts without a standby that confirms commits are warned of as well', async () => {
  const testDatabase = await createTestDatabase();
  const { host, pathname } = new URL(testDatabase.url);
  const database = new Database(testDatabase.url.replace(host, `127.0.0.1:1,${host}`));
  try {
    await runAsAdmin(testDatabase.url, `ALTER DATABASE ${pathname.slice(1)} SET synchronous_commit = on`);
    const risks = await durabilityRisks(database);
    assert.deepEqual(
      risks.map(({ setting }) => setting),
      ['fsync', 'full_page_writes', 'synchronous_standby_names'],
    );
  } finally {
    await database.stop();
    await testDatabase.drop();
  }
});
