/**
 * A primary and a synchronous standby of Debian's PostgreSQL, in clusters of their own under a directory that is gone
 * afterwards. Debian's own cluster is not touched.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chown, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { chooseAccount } from '../../src/store/embedded/postgres-binaries.ts';
import { continueServer, freePort, killServer, stopServerInItsTracks } from '../faults/server-processes.ts';
import type { WorldDatabase } from '../faults/world-database.ts';

const INSTALLED = '/usr/lib/postgresql';
const USER = 'feige';
const HOST = '127.0.0.1';
const READY_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;
const run = promisify(execFile);

type Account = Awaited<ReturnType<typeof chooseAccount>>;

/** The newest of Debian's packages; undefined when there is none. */
export async function findPostgres(): Promise<string | undefined> {
  const versions = await readdir(INSTALLED).catch(() => []);
  const newest = versions
    .map(Number)
    .filter(Number.isFinite)
    .sort((a, b) => b - a)[0];
  return newest === undefined ? undefined : join(INSTALLED, String(newest), 'bin');
}

export class PostgresServer {
  readonly port: number;
  readonly #bin: string;
  readonly #account: Account;
  readonly #directory: string;
  #postmaster: ChildProcess | undefined;

  constructor(options: { bin: string; account: Account; directory: string; port: number }) {
    this.#bin = options.bin;
    this.#account = options.account;
    this.#directory = options.directory;
    this.port = options.port;
  }

  url(database: string): string {
    return `postgresql://${USER}@${HOST}:${this.port}/${database}`;
  }

  async query<Row extends object>(sql: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.url('postgres'), connectionTimeoutMillis: 2_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end().catch(() => {});
    }
  }

  async start(): Promise<void> {
    this.#postmaster = spawn(join(this.#bin, 'postgres'), ['-D', '.'], {
      ...this.#account,
      cwd: this.#directory,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      stdio: 'ignore',
    });
    const deadlineMs = performance.now() + READY_WITHIN_MS;
    for (;;) {
      const answers = await this.query('SELECT 1').catch(() => undefined);
      if (answers) return;
      if (performance.now() > deadlineMs) throw new Error(`PostgreSQL on ${this.port} does not answer`);
      await pause(LOOK_EVERY_MS);
    }
  }

  /** All of its processes, as when its machine dies. Resolves when it is gone. */
  async kill(): Promise<void> {
    const postmaster = this.#running();
    if (postmaster?.pid === undefined) return;
    const exited = once(postmaster, 'exit');
    killServer(postmaster.pid);
    await exited;
  }

  /** All of its processes, as when its machine stands still. */
  freeze(): void {
    const postmaster = this.#running();
    if (postmaster?.pid !== undefined) stopServerInItsTracks(postmaster.pid);
  }

  thaw(): void {
    const postmaster = this.#running();
    if (postmaster?.pid !== undefined) continueServer(postmaster.pid);
  }

  #running(): ChildProcess | undefined {
    const postmaster = this.#postmaster;
    return postmaster?.exitCode === null && postmaster.signalCode === null ? postmaster : undefined;
  }
}

export interface PostgresPair extends WorldDatabase {
  readonly primary: PostgresServer;
  readonly standby: PostgresServer;
  /** Both hosts, the primary first. */
  readonly url: string;
}

/** Both run, and no commit of the primary ends before the standby has it on disk. */
export async function startPostgresPair(bin: string): Promise<PostgresPair> {
  const top = await mkdtemp(join(tmpdir(), 'feige-failover-'));
  const account = await chooseAccount(join(top, 'primary'));
  if (account) await chown(top, account.uid, account.gid);
  const servers: PostgresServer[] = [];
  const makeServer = async (name: string): Promise<{ server: PostgresServer; directory: string }> => {
    const directory = join(top, name);
    await mkdir(directory, { mode: 0o700 });
    if (account) await chown(directory, account.uid, account.gid);
    const server = new PostgresServer({ bin, account, directory, port: await freePort() });
    servers.push(server);
    return { server, directory };
  };
  const tool = (name: string, args: readonly string[], directory: string): Promise<unknown> =>
    run(join(bin, name), args, { ...account, cwd: directory, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } });
  const stop = async (): Promise<void> => {
    for (const server of servers) await server.kill();
    await rm(top, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const { server: primary, directory } = await makeServer('primary');
    await tool('initdb', ['-D', '.', '-U', USER, '-A', 'trust', '-E', 'UTF8', '--no-locale'], directory);
    const settings = `listen_addresses = '${HOST}'\nport = ${primary.port}\nunix_socket_directories = ''\nmax_connections = 200\n`;
    await appendFile(join(directory, 'postgresql.conf'), `${settings}timezone = 'UTC'\nmax_wal_size = 2GB\n`);
    await primary.start();
    await primary.query('CREATE DATABASE feige');
    const { server: standby, directory: copy } = await makeServer('standby');
    const source = `host=${HOST} port=${primary.port} user=${USER} application_name=standby`;
    await tool('pg_basebackup', ['-D', '.', '-d', source, '-R', '-X', 'stream', '-c', 'fast'], copy);
    await appendFile(join(copy, 'postgresql.conf'), `port = ${standby.port}\n`);
    await standby.start();
    await primary.query(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`);
    await primary.query('SELECT pg_reload_conf()');
    await untilSynchronous(primary);
    const url = `postgresql://${USER}@${HOST}:${primary.port},${HOST}:${standby.port}/feige?target_session_attrs=read-write`;
    return { primary, standby, url, urlForNode: async () => url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilSynchronous(primary: PostgresServer): Promise<void> {
  const deadlineMs = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadlineMs) {
    const rows = await primary.query<{ sync_state: string }>('SELECT sync_state FROM pg_stat_replication');
    if (rows.some((row) => row.sync_state === 'sync')) return;
    await pause(LOOK_EVERY_MS);
  }
  throw new Error('the standby does not follow');
}
