import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { migrate } from '../../src/store/migrate.ts';
import { runAsAdmin } from '../harness/cluster.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let template: TestDatabase;

before(async () => {
  template = await createTestDatabase();
});

after(() => template.drop());

/** A database without any table, and a directory of migrations of the test's own. */
async function withEmptyDatabase(
  files: Record<string, string>,
  work: (url: string, directory: string) => Promise<void>,
): Promise<void> {
  const database = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'feige-migrations-'));
  try {
    await runAsAdmin(database.url, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    for (const [name, sql] of Object.entries(files)) await writeFile(join(directory, name), sql);
    await work(database.url, directory);
  } finally {
    await database.drop();
    await rm(directory, { recursive: true });
  }
}

async function readTables(url: string): Promise<string[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const found = await client.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`);
    return found.rows.map((row) => String(row.tablename));
  } finally {
    await client.end();
  }
}

test("the project's own migrations were all applied to the template", async () => {
  assert.deepEqual(await migrate(template.url), []);
});

test('files are applied in order and reported once', async () => {
  const files = { '0001-a.sql': 'CREATE TABLE a (n int)', '0002-b.sql': 'ALTER TABLE a RENAME TO b' };
  await withEmptyDatabase(files, async (url, directory) => {
    assert.deepEqual(await migrate(url, directory), ['0001-a.sql', '0002-b.sql']);
    assert.deepEqual(await migrate(url, directory), []);
    assert.deepEqual(await readTables(url), ['b', 'schema_migrations']);
  });
});

test('nodes that start together apply each file once', async () => {
  await withEmptyDatabase({ '0001-a.sql': 'CREATE TABLE a (n int); SELECT pg_sleep(0.1)' }, async (url, directory) => {
    const applied = await Promise.all([migrate(url, directory), migrate(url, directory), migrate(url, directory)]);
    assert.deepEqual(applied.flat(), ['0001-a.sql']);
  });
});

test('a file that changed after it was applied is refused by name', async () => {
  await withEmptyDatabase({ '0001-a.sql': 'CREATE TABLE a (n int)' }, async (url, directory) => {
    await migrate(url, directory);
    await writeFile(join(directory, '0001-a.sql'), 'CREATE TABLE a (n bigint)');
    await assert.rejects(migrate(url, directory), { code: 'MIGRATION_CHANGED', message: /0001-a\.sql/ });
  });
});

test('line ends of another system are no change', async () => {
  await withEmptyDatabase({ '0001-a.sql': 'CREATE TABLE a\n(n int);\n' }, async (url, directory) => {
    await migrate(url, directory);
    await writeFile(join(directory, '0001-a.sql'), 'CREATE TABLE a\r\n(n int);\r\n');
    assert.deepEqual(await migrate(url, directory), []);
  });
});

test('a refused file leaves nothing of itself, and what came before it stays', async () => {
  const files = { '0001-a.sql': 'CREATE TABLE a (n int)', '0002-b.sql': 'CREATE TABLE b (n int); SELECT 1 / 0' };
  await withEmptyDatabase(files, async (url, directory) => {
    await assert.rejects(migrate(url, directory), {
      code: 'MIGRATION_FAILED',
      message: /0002-b\.sql.*division by zero/,
    });
    assert.deepEqual(await readTables(url), ['a', 'schema_migrations']);
    await writeFile(join(directory, '0002-b.sql'), 'CREATE TABLE b (n int)');
    assert.deepEqual(await migrate(url, directory), ['0002-b.sql']);
  });
});

test('a database of a newer program is refused', async () => {
  const files = { '0001-a.sql': 'CREATE TABLE a (n int)', '0002-b.sql': 'CREATE TABLE b (n int)' };
  await withEmptyDatabase(files, async (url, directory) => {
    await migrate(url, directory);
    await rm(join(directory, '0002-b.sql'));
    await assert.rejects(migrate(url, directory), { code: 'MIGRATION_UNKNOWN', message: /0002-b\.sql/ });
  });
});

test('a gap in the numbers is refused before anything is applied', async () => {
  const files = { '0001-a.sql': 'CREATE TABLE a (n int)', '0003-c.sql': 'CREATE TABLE c (n int)' };
  await withEmptyDatabase(files, async (url, directory) => {
    await assert.rejects(migrate(url, directory), { code: 'MIGRATION_FAILED', message: /0003-c\.sql/ });
    assert.deepEqual(await readTables(url), []);
  });
});
