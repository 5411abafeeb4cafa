/**
 * Brings the database's schema up to the files of `migrations/`, forward only: each file once, in order, in a
 * transaction of its own, recorded with its checksum. Nodes that start together wait for each other. A file
 * that changed after it was applied is refused.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { FeigeError } from '../base/errors.ts';
import { connectWritable } from './database-hosts.ts';

const MIGRATIONS_DIRECTORY = fileURLToPath(new URL('../../migrations', import.meta.url));
const MIGRATION_FILE = /^(\d{4})-[a-z0-9-]+\.sql$/;
/** "Feige" on a telephone keypad; any number that nobody else on this database uses. */
const ADVISORY_LOCK = 33_443;
/** How long a node waits for another one that migrates. */
const LOCK_TIMEOUT_MS = 300_000;

interface Migration {
  version: number;
  name: string;
  sql: string;
  checksum: string;
}

/**
 * Applies what is missing and returns the names of the files applied, in order.
 * @param databaseUrl by a user who may make tables; of several hosts the one that takes writes is used
 * @param directory where the files lie; the project's own when absent
 * Throws MIGRATION_CHANGED, MIGRATION_UNKNOWN or MIGRATION_FAILED; what came before a failed file stays applied.
 */
export async function migrate(databaseUrl: string, directory: string = MIGRATIONS_DIRECTORY): Promise<string[]> {
  const migrations = await readMigrations(directory);
  const client = await connectWritable(databaseUrl);
  try {
    await createHistory(client);
    const applied: string[] = [];
    for (const migration of migrations) {
      if (await applyOnce(client, migration)) applied.push(migration.name);
    }
    await refuseUnknown(client, migrations);
    return applied;
  } finally {
    await client.end();
  }
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  const migrations: Migration[] = [];
  for (const name of names) {
    const version = Number(MIGRATION_FILE.exec(name)?.[1]);
    if (version !== migrations.length + 1) {
      throw new FeigeError(
        'MIGRATION_FAILED',
        `${name}: migrations are named NNNN-name.sql and counted without gaps from 0001`,
      );
    }
    const sql = (await readFile(join(directory, name), 'utf8')).replaceAll('\r\n', '\n');
    migrations.push({ version, name, sql, checksum: createHash('sha256').update(sql).digest('hex') });
  }
  return migrations;
}

/** The lock belongs to the transaction, not to the session: it holds behind a transaction pooler, too. */
async function inLockedTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await client.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCK]);
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // When the connection itself is gone the server rolls back; the first error is the one that tells.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function createHistory(client: pg.Client): Promise<void> {
  const found = await client.query(`SELECT to_regclass('schema_migrations') IS NOT NULL AS found`);
  if (found.rows[0]?.found === true) return;
  await inLockedTransaction(client, async () => {
    await client.query(
      `CREATE TABLE IF NOT EXISTS schema_migrations (
         version    integer PRIMARY KEY,
         name       text NOT NULL,
         checksum   text NOT NULL,
         applied_at timestamptz NOT NULL DEFAULT now()
       )`,
    );
  });
}

/** Whether the file was applied now; false when it had been before. */
async function applyOnce(client: pg.Client, migration: Migration): Promise<boolean> {
  if (await wasApplied(client, migration)) return false;
  return inLockedTransaction(client, async () => {
    if (await wasApplied(client, migration)) return false;
    const { version, name, sql, checksum } = migration;
    try {
      await client.query(sql);
      await client.query('INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)', [
        version,
        name,
        checksum,
      ]);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new FeigeError('MIGRATION_FAILED', `${name} was rolled back: ${reason}`, { cause: error });
    }
    return true;
  });
}

async function wasApplied(client: pg.Client, migration: Migration): Promise<boolean> {
  const found = await client.query('SELECT name, checksum FROM schema_migrations WHERE version = $1', [
    migration.version,
  ]);
  const row = found.rows[0];
  if (row === undefined) return false;
  if (row.checksum === migration.checksum) return true;
  const message = `${migration.name} was applied to this database (as ${row.name}) with another content. Restore the file; changes go into a new migration.`;
  throw new FeigeError('MIGRATION_CHANGED', message);
}

async function refuseUnknown(client: pg.Client, migrations: Migration[]): Promise<void> {
  const found = await client.query('SELECT name FROM schema_migrations WHERE version > $1 ORDER BY version', [
    migrations.length,
  ]);
  if (found.rows.length === 0) return;
  const names = found.rows.map((row) => row.name).join(', ');
  throw new FeigeError(
    'MIGRATION_UNKNOWN',
    `This database was migrated by a newer Feige (${names}). Start that version.`,
  );
}
