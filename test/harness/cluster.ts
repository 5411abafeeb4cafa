/**
 * The PostgreSQL that tests talk to: one cluster in a directory of its own, without fsync, with a template
 * database that holds the migrations. Nothing of it stays after the run.
 */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createLogger } from '../../src/base/log.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded/postgres.ts';
import { migrate } from '../../src/store/migrate.ts';
import { identifyProcess, isRunning } from '../../src/store/embedded/process-identity.ts';

export const TEMPLATE_DATABASE = 'feige_template';

/** Tests throw their data away; what they test of durability they test on clusters of their own. */
const TEST_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  shared_buffers: '64MB',
  max_connections: '300',
};

const END_TIMEOUT_MS = 3_000;
const END_POLL_MS = 10;

export interface TestCluster {
  /** Of the maintenance database, as a superuser. */
  adminUrl: string;
  stop(): Promise<void>;
}

export async function startTestCluster(): Promise<TestCluster> {
  const dataDir = await mkdtemp(join(tmpdir(), 'feige-test-'));
  const log = createLogger({ level: 'silent' });
  const postgres = await startEmbeddedPostgres({ dataDir, log, settings: TEST_SETTINGS });
  const endAtOnce = () => {
    endServer(postgres.processId);
    rmSync(dataDir, { recursive: true, force: true });
  };
  process.once('exit', endAtOnce);
  const adminUrl = withDatabase(postgres.url, 'postgres');
  await makeTemplate(adminUrl);
  return {
    adminUrl,
    stop: async () => {
      await postgres.stop();
      process.off('exit', endAtOnce);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** For the end of a process, where nothing can be awaited any more. */
function endServer(processId: number): void {
  const server = identifyProcess(processId);
  if (server === undefined) return;
  process.kill(processId, 'SIGQUIT');
  const deadlineMs = performance.now() + END_TIMEOUT_MS;
  const nobodyNotifies = new Int32Array(new SharedArrayBuffer(4));
  while (isRunning(server) && performance.now() < deadlineMs) Atomics.wait(nobodyNotifies, 0, 0, END_POLL_MS);
}

async function makeTemplate(adminUrl: string): Promise<void> {
  await runAsAdmin(adminUrl, `CREATE DATABASE ${TEMPLATE_DATABASE}`);
  await migrate(withDatabase(adminUrl, TEMPLATE_DATABASE));
}

export function withDatabase(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}

export async function runAsAdmin(adminUrl: string, sql: string): Promise<void> {
  const client = new pg.Client(adminUrl);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
