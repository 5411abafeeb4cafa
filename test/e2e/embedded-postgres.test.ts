import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { createLogger } from '../../src/base/log.ts';
import { findRunningEmbeddedPostgres, startEmbeddedPostgres } from '../../src/store/embedded/postgres.ts';
import { identifyProcess } from '../../src/store/embedded/process-identity.ts';

const log = createLogger({ level: 'silent' });
const HOLDER = fileURLToPath(new URL('../harness/hold-embedded-postgres.ts', import.meta.url));

let dataDir = '';

beforeEach(async () => {
  // mkdtemp makes it for its owner only: as root, this is the directory that the server's user can't walk into.
  dataDir = await mkdtemp(join(tmpdir(), 'feige-embedded-'));
});

afterEach(async () => {
  const left = await readPostmasterId();
  if (left !== undefined && identifyProcess(left) !== undefined) process.kill(left, 'SIGQUIT');
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

async function readPostmasterId(): Promise<number | undefined> {
  const text = await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Number(text.split('\n')[0]);
}

async function queryValue(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    const result = await client.query({ text: sql, rowMode: 'array' });
    return result.rows[0]?.[0];
  } finally {
    await client.end();
  }
}

/** A process of its own that starts the database and waits to be killed. */
async function startHolder(): Promise<{ holder: ChildProcess; serverId: number; url: string }> {
  const holder = spawn(process.execPath, [HOLDER, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface({ input: holder.stdout }), 'line');
  const { processId, url } = JSON.parse(String(line));
  return { holder, serverId: processId, url };
}

async function kill(holder: ChildProcess): Promise<void> {
  const exited = once(holder, 'exit');
  holder.kill('SIGKILL');
  await exited;
}

test('a database is made, keeps its rows over a restart, and its files are for its owner only', async () => {
  const first = await startEmbeddedPostgres({ dataDir, log });
  assert.equal(first.adopted, false);
  assert.equal(await queryValue(first.url, 'SHOW fsync'), 'on');
  assert.equal(await queryValue(first.url, 'SHOW data_checksums'), 'on');
  assert.equal(await queryValue(first.url, 'SHOW server_encoding'), 'UTF8');
  await queryValue(first.url, "CREATE TABLE kept AS SELECT '飛鴿' AS name");
  assert.equal(await findRunningEmbeddedPostgres(dataDir), first.url);
  assert.equal((await stat(join(dataDir, 'postgres.json'))).mode & 0o077, 0);
  assert.equal((await stat(join(dataDir, 'postgres'))).mode & 0o077, 0);
  await first.stop();
  assert.equal(identifyProcess(first.processId), undefined);
  assert.equal(await findRunningEmbeddedPostgres(dataDir), undefined);

  const second = await startEmbeddedPostgres({ dataDir, log });
  assert.equal(await queryValue(second.url, 'SELECT name FROM kept'), '飛鴿');
  await second.stop();
});

test('the platform reaches it over a socket of its owner alone, and over TCP where its path would be too long', async () => {
  const postgres = await startEmbeddedPostgres({ dataDir, log });
  const [socket] = (await readdir(join(dataDir, 'postgres'))).filter((name) => /^\.s\.PGSQL\.\d+$/.test(name));
  assert.equal((await stat(join(dataDir, 'postgres', socket ?? ''))).mode & 0o077, 0);
  assert.equal(await queryValue(postgres.localUrl, 'SELECT inet_client_addr()'), null);
  assert.equal(await queryValue(postgres.url, 'SELECT host(inet_client_addr())'), '127.0.0.1');
  await assert.rejects(queryValue(postgres.localUrl.replace(/:[^:@]+@/, ':guess@'), 'SELECT 1'), { code: '28P01' });
  await postgres.stop();

  const deepDir = join(dataDir, 'd'.repeat(100));
  const deep = await startEmbeddedPostgres({ dataDir: deepDir, log });
  assert.equal(deep.localUrl, deep.url);
  assert.equal(await queryValue(deep.localUrl, 'SELECT 1'), 1);
  await deep.stop();
});

test('a socket that a killed server left, whose process id somebody else has now, does not stop the start', async () => {
  const first = await startEmbeddedPostgres({ dataDir, log });
  const port = new URL(first.url).port;
  await first.stop();
  const { uid, gid } = await stat(join(dataDir, 'postgres'));
  const somebody = spawn('sleep', ['60'], { uid, gid, stdio: 'ignore' });
  try {
    const path = join(dataDir, 'postgres', `.s.PGSQL.${port}`);
    await writeFile(path, '');
    await writeFile(`${path}.lock`, `${somebody.pid}\n`, { mode: 0o644 });
    const next = await startEmbeddedPostgres({ dataDir, port: Number(port), log });
    assert.equal(await queryValue(next.localUrl, 'SELECT inet_client_addr()'), null);
    await next.stop();
  } finally {
    somebody.kill('SIGKILL');
  }
});

test('a wrong password is refused', async () => {
  const postgres = await startEmbeddedPostgres({ dataDir, log });
  const wrong = new URL(postgres.url);
  wrong.password = 'guess';
  await assert.rejects(queryValue(wrong.href, 'SELECT 1'), { code: '28P01' });
  await postgres.stop();
});

test('a second start on the same directory is refused and names the first', async () => {
  const { holder, url } = await startHolder();
  const message = new RegExp(`in use by another Feige \\(process ${holder.pid}\\)`);
  await assert.rejects(startEmbeddedPostgres({ dataDir, log }), { code: 'DATA_DIR_IN_USE', message });
  assert.equal(await queryValue(url, 'SELECT 1'), 1, 'the first goes on undisturbed');
  await kill(holder);
});

test('of several starts at once exactly one gets the directory', async () => {
  const starts = [1, 2, 3, 4].map(() => startEmbeddedPostgres({ dataDir, log }));
  const results = await Promise.allSettled(starts);
  const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
  assert.equal(won.length, 1);
  assert.deepEqual(lost, ['DATA_DIR_IN_USE', 'DATA_DIR_IN_USE', 'DATA_DIR_IN_USE']);
  for (const postgres of won) await postgres.stop();
});

test('after a kill of Node alone the surviving server is adopted, and stopped at the end', async () => {
  const { holder, serverId, url } = await startHolder();
  await queryValue(url, 'CREATE TABLE kept (n int)');
  await kill(holder);
  const next = await startEmbeddedPostgres({ dataDir, log });
  assert.equal(next.adopted, true);
  assert.equal(next.processId, serverId);
  assert.equal(next.url, url);
  await next.stop();
  assert.equal(identifyProcess(serverId), undefined);
});

test('after a kill of everything the next start recovers what was committed', async () => {
  const { holder, serverId, url } = await startHolder();
  await queryValue(url, 'CREATE TABLE kept AS SELECT 42 AS n');
  await kill(holder);
  process.kill(-serverId, 'SIGKILL');
  const next = await startEmbeddedPostgres({ dataDir, log });
  assert.equal(next.adopted, false);
  assert.equal(await queryValue(next.url, 'SELECT n FROM kept'), 42);
  await next.stop();
});

test('a stale note of a server whose process id somebody else has now does not stop the start', async () => {
  const first = await startEmbeddedPostgres({ dataDir, log });
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
  const note = await readFile(pidFile, 'utf8');
  await first.stop();
  const stranger = spawn('sleep', ['60']);
  await writeFile(pidFile, note.replace(/^\d+/, String(stranger.pid)));
  const second = await startEmbeddedPostgres({ dataDir, log });
  assert.equal(second.adopted, false);
  assert.equal(stranger.exitCode, null, 'the stranger is left alone');
  await second.stop();
  await kill(stranger);
});

test('what a start that was killed half-way left is cleared away', async () => {
  const first = await startEmbeddedPostgres({ dataDir, log });
  await first.stop();
  await rm(join(dataDir, 'postgres'), { recursive: true });
  await writeFile(join(dataDir, 'postgres.new'), 'half a cluster');
  await writeFile(join(dataDir, '.initdb-password'), 'left over');
  const second = await startEmbeddedPostgres({ dataDir, log });
  await second.stop();
  const names = (await readdir(dataDir)).filter((name) => !name.startsWith('lock.'));
  assert.deepEqual(names.sort(), ['postgres', 'postgres.json']);
});

test('a cluster of another major version is left alone', async () => {
  const first = await startEmbeddedPostgres({ dataDir, log });
  await first.stop();
  await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '15\n');
  await assert.rejects(startEmbeddedPostgres({ dataDir, log }), {
    code: 'DATA_DIR_UNUSABLE',
    message: /PostgreSQL 15/,
  });
});

test('settings of the caller win', async () => {
  const postgres = await startEmbeddedPostgres({ dataDir, log, settings: { fsync: 'off', work_mem: '7MB' } });
  assert.equal(await queryValue(postgres.url, 'SHOW work_mem'), '7MB');
  await postgres.stop();
});
