/**
 * The PostgreSQL of the run, with fsync and synchronous commit on, in a cluster of its own: all of its processes can be
 * killed or stopped at once, and it is started again when it is told, by nobody else.
 */
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { createLogger } from '../../src/base/log.ts';
import { chooseAccount, findPostgresHome } from '../../src/store/embedded/postgres-binaries.ts';
import { CLUSTER_USER, makeCluster } from '../../src/store/embedded/postgres-cluster.ts';
import { startServer, stopServer } from '../../src/store/embedded/postgres-server.ts';
import { isRunning, type ProcessIdentity } from '../../src/store/embedded/process-identity.ts';
import { continueServer, freePort, killServer, stopServerInItsTracks } from './server-processes.ts';

const HOST = '127.0.0.1';
const PASSWORD = 'faults';
const START_ATTEMPTS = 40;
const START_AGAIN_MS = 250;
const GONE_POLL_MS = 10;
/** Recovery after a kill replays the log of a run. */
const ANSWERS_WITHIN_MS = 60_000;
/** On a crowded machine. */
const CONNECT_WITHIN_MS = 20_000;
const CONNECT_ATTEMPTS = 3;
const ANSWERS_POLL_MS = 50;

export class DatabaseServer {
  readonly port: number;
  readonly #clusterDir: string;
  readonly #log: ReturnType<typeof createLogger>;
  #server: ProcessIdentity | undefined;
  #stopped = false;

  private constructor(clusterDir: string, port: number, logFile: string) {
    this.#clusterDir = clusterDir;
    this.port = port;
    this.#log = createLogger({ level: 'debug', destination: createWriteStream(logFile) });
  }

  static async make(directory: string, logFile: string): Promise<DatabaseServer> {
    const clusterDir = join(directory, 'postgres');
    const account = await chooseAccount(clusterDir);
    await makeCluster(await findPostgresHome(account), account, clusterDir, PASSWORD);
    const server = new DatabaseServer(clusterDir, await freePort(), logFile);
    await server.start();
    await server.administer('CREATE DATABASE feige', 'postgres');
    return server;
  }

  /** @param port of the server, or of a proxy before it */
  url(port: number = this.port): string {
    return `postgres://${CLUSTER_USER}:${PASSWORD}@${HOST}:${port}/feige`;
  }

  get isRunning(): boolean {
    return this.#server !== undefined && isRunning(this.#server);
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    if (!this.isRunning) await this.#launch();
    const deadlineMs = performance.now() + ANSWERS_WITHIN_MS;
    for (;;) {
      try {
        await this.administer('SELECT 1', 'postgres');
        return;
      } catch (error) {
        if (performance.now() > deadlineMs || this.#stopped) throw error;
        if (!this.isRunning) await this.#launch();
        await pause(ANSWERS_POLL_MS);
      }
    }
  }

  /** SIGKILL to every process of it. */
  async kill(): Promise<void> {
    const postmaster = this.#postmaster();
    if (postmaster !== undefined) killServer(postmaster);
    while (this.isRunning) await pause(GONE_POLL_MS);
    this.#server = undefined;
  }

  /** Stops every process of it in its tracks. */
  freeze(): void {
    const postmaster = this.#postmaster();
    if (postmaster !== undefined) stopServerInItsTracks(postmaster);
  }

  thaw(): void {
    const postmaster = this.#postmaster();
    if (postmaster !== undefined) continueServer(postmaster);
  }

  /** For good: nothing starts it again. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.thaw();
    if (this.#server !== undefined) await stopServer(this.#server, this.#log);
  }

  /** One statement by a superuser, straight to the server, writable whatever is set; again when no connection comes. */
  async administer(sql: string, database = 'feige'): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const client = new pg.Client({
        connectionString: this.url().replace(/\/feige$/, `/${database}`),
        options: '-c default_transaction_read_only=off',
        connectionTimeoutMillis: CONNECT_WITHIN_MS,
      });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query(sql);
        return;
      } catch (error) {
        if (attempt === CONNECT_ATTEMPTS || !this.isRunning) throw error;
      } finally {
        await client.end().catch(() => {});
      }
    }
  }

  async #launch(): Promise<void> {
    const account = await chooseAccount(this.#clusterDir);
    const home = await findPostgresHome(account);
    let lines: string[] = [];
    for (let attempt = 0; attempt < START_ATTEMPTS && !this.#stopped; attempt += 1) {
      await rm(join(this.#clusterDir, 'postmaster.pid'), { force: true });
      const outcome = await startServer({
        home,
        account,
        clusterDir: this.#clusterDir,
        settings: settings(this.port),
        log: this.#log,
        onSpawned: async () => {},
      });
      if (outcome.kind === 'ready') {
        this.#server = outcome.identity;
        return;
      }
      lines = outcome.lines;
      await pause(START_AGAIN_MS);
    }
    throw new Error(`PostgreSQL did not start: ${lines.join(' | ')}`);
  }

  /** While it runs. */
  #postmaster(): number | undefined {
    return this.isRunning ? this.#server?.processId : undefined;
  }
}

function settings(port: number): Record<string, string> {
  return {
    port: String(port),
    listen_addresses: HOST,
    unix_socket_directories: '',
    max_connections: '100',
    shared_buffers: '128MB',
    max_wal_size: '256MB',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    autovacuum_naptime: '5s',
    jit: 'off',
    timezone: 'UTC',
  };
}
