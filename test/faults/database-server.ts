/**
 * The PostgreSQL of the run, with fsync and synchronous commit on, in a cluster of its own: all of its processes can be
 * killed or stopped at once, and it is started again when it is told, by nobody else.
 */
import { createWriteStream, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { createLogger } from '../../src/base/log.ts';
import { chooseAccount, findPostgresHome } from '../../src/store/postgres-binaries.ts';
import { CLUSTER_USER, makeCluster } from '../../src/store/postgres-cluster.ts';
import { startServer, stopServer } from '../../src/store/postgres-server.ts';
import { isRunning, type ProcessIdentity } from '../../src/store/process-identity.ts';

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

  /** SIGKILL to every process of it, the postmaster first stopped so that it starts no other. */
  async kill(): Promise<void> {
    const processes = this.#freeze();
    for (const id of processes.toReversed()) sendSignal(id, 'SIGKILL');
    while (this.isRunning) await pause(GONE_POLL_MS);
    this.#server = undefined;
  }

  /** Stops every process of it in its tracks. */
  freeze(): void {
    this.#freeze();
  }

  thaw(): void {
    for (const id of this.#processes().toReversed()) sendSignal(id, 'SIGCONT');
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

  #freeze(): number[] {
    const postmaster = this.#server?.processId;
    if (postmaster === undefined || !this.isRunning) return [];
    sendSignal(postmaster, 'SIGSTOP');
    const processes = this.#processes();
    for (const id of processes) sendSignal(id, 'SIGSTOP');
    return processes;
  }

  /** The postmaster first. */
  #processes(): number[] {
    const postmaster = this.#server?.processId;
    if (postmaster === undefined || !this.isRunning) return [];
    return [postmaster, ...childrenOf(postmaster)];
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

/** Synchronous: thousands of turns through the thread pool took 40 s on a crowded machine, with the server stopped. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((id) => /^\d+$/.test(id) && parentOf(id) === String(parent))
    .map(Number);
}

/** Field 4 of proc_pid_stat(5), the second after the name; undefined when the process is gone. */
function parentOf(id: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${id}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
  } catch {
    return undefined;
  }
}

function sendSignal(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
