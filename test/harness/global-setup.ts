/** Runs once around all test files: one PostgreSQL for them all, named to them by an environment variable. */
import { ADMIN_URL_VARIABLE } from './database.ts';
import { startTestCluster, type TestCluster } from './cluster.ts';

const started: TestCluster[] = [];

export async function globalSetup(): Promise<void> {
  const cluster = await startTestCluster();
  started.push(cluster);
  process.env[ADMIN_URL_VARIABLE] = cluster.adminUrl;
}

export async function globalTeardown(): Promise<void> {
  for (const cluster of started.splice(0)) await cluster.stop();
}
