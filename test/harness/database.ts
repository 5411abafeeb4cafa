/**
 * A database of its own for every test that wants one, cloned from the migrated template. A file that is run
 * alone gets a PostgreSQL of its own, which ends with the file.
 */
import { randomUUID } from 'node:crypto';
import { runAsAdmin, startTestCluster, TEMPLATE_DATABASE, type TestCluster, withDatabase } from './cluster.ts';

/** Set by the global setup; test processes inherit it. */
export const ADMIN_URL_VARIABLE = 'FEIGE_TEST_ADMIN_URL';

export interface TestDatabase {
  /** postgres://…, a superuser's. */
  url: string;
  /** Ends every connection that is left and drops the database. */
  drop(): Promise<void>;
}

/** Its end is bound to the process's: hooks of a file may still need it when hooks of this module would run. */
const ownCluster: { starting?: Promise<TestCluster> } = {};

export async function createTestDatabase(): Promise<TestDatabase> {
  const adminUrl = await findAdminUrl();
  const name = `feige_${randomUUID().replaceAll('-', '')}`;
  await runAsAdmin(adminUrl, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE_DATABASE}`);
  return {
    url: withDatabase(adminUrl, name),
    drop: () => runAsAdmin(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function findAdminUrl(): Promise<string> {
  const given = process.env[ADMIN_URL_VARIABLE];
  if (given !== undefined) return given;
  ownCluster.starting ??= startTestCluster();
  return (await ownCluster.starting).adminUrl;
}
