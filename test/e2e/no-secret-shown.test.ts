import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { generate } from 'selfsigned';
import { findRunningEmbeddedPostgres } from '../../src/store/embedded/postgres.ts';
import { type CustomerServer, startCustomerServer } from '../harness/customer-server.ts';
import { type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** None of them may be in logs, errors, metrics or lists of processes. */
const CREDENTIALS = {
  account: 'accountS3cretAAA',
  guess: 'guessedS3cretBBB',
  operator: 'operatorS3cretCCC',
  wrongOperator: 'mistakenS3cretDDD',
  trunk: 'trunkS3cretEEE',
  database: 'databaseS3cretFFF',
  key: Buffer.from('secretkeyS3cretGGG').toString('base64').padEnd(43, 'A').concat('='),
} as const;
const TOKEN = 'drurlT0kenHHH';
const TEXT = 'privateTextIII';
const SPOKEN = 'spokenTextJJJ';
const [MOBILE, REFUSED_MOBILE, LANDLINE] = ['0912345671', '0912345672', '0223456783'];
/** As they are sent, dialled, and stored. */
const NUMBERS = [MOBILE, REFUSED_MOBILE, LANDLINE].map((number) => number.slice(1));

let directory = '';
let dataDir = '';
let tlsKey = '';
let platform: PlatformProcess;
let simulator: ChildProcess;
let customer: CustomerServer;
/** Everything that any process wrote, and what the platform answered. */
let written = '';
let answered = '';
let metrics = '';

function environment(more: Record<string, string> = {}): Record<string, string> {
  return { PATH: process.env.PATH ?? '', DATA_DIR: dataDir, SECRET_KEY: CREDENTIALS.key, ...more };
}

function start(args: readonly string[], env: Record<string, string>, input = ''): ChildProcess {
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['pipe', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      written += chunk;
    });
  }
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return child;
}

async function run(args: readonly string[], env: Record<string, string>, input = ''): Promise<number | null> {
  const child = start(args, env, input);
  await once(child, 'close');
  return child.exitCode;
}

const feige = (words: string, input = ''): Promise<number | null> =>
  run(['src/cli/feige.ts', ...words.split(' ')], environment(), input);

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'feige-secrets-'));
  dataDir = join(directory, 'data');
  const pems = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec', curve: 'P-256' });
  tlsKey = pems.private;
  await writeFile(join(directory, 'cert.pem'), pems.cert);
  await writeFile(join(directory, 'key.pem'), pems.private);
  customer = await startCustomerServer((response) => response.writeHead(500).end());
  platform = await startPlatformProcess({
    dataDir,
    env: {
      LOG_LEVEL: 'trace',
      SIMULATOR: 'off',
      CALLBACK_ALLOW: '127.0.0.0/8',
      SECRET_KEY: CREDENTIALS.key,
      TLS_CERT: join(directory, 'cert.pem'),
      TLS_KEY: join(directory, 'key.pem'),
    },
  });
});

after(async () => {
  await platform.end('SIGTERM');
  if (simulator.exitCode === null) simulator.kill('SIGKILL');
  await customer.stop();
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

async function ask(path: string, parameters: Record<string, string>, method = 'GET'): Promise<string> {
  const query = new URLSearchParams(parameters).toString();
  const response =
    method === 'GET'
      ? await fetch(`${platform.http}${path}?${query}`)
      : await fetch(`${platform.http}${path}`, { method, body: new URLSearchParams(parameters) });
  const body = await response.text();
  answered += `${body}\n`;
  return body;
}

const send = (mobile: string, method = 'GET'): Promise<string> =>
  ask(
    '/json/sms_send.php',
    { username: 'shop', password: CREDENTIALS.account, mobile, message: TEXT, drurl: `${customer.url}?t=${TOKEN}` },
    method,
  );

function assertHides(what: string, text: string, secrets: readonly string[]): void {
  assert.ok(text.length > 0, `${what} is empty`);
  for (const secret of secrets) {
    const at = text.indexOf(secret);
    assert.equal(at, -1, `${what} holds ${secret}: …${text.slice(Math.max(0, at - 200), at + 100)}…`);
  }
}

function keyLines(): string[] {
  return tlsKey.split('\n').filter((line) => line.length > 40);
}

test('the platform takes all of them through success and failure', async () => {
  const words = 'src/cli/feige.ts simulate --smsc-port 0 --system-id feige --json --password';
  simulator = start([...words.split(' '), CREDENTIALS.operator], environment({ DATA_DIR: join(directory, 'sim') }));
  const port = await eventually('the simulator', async () => /"smppPort": (\d+)/.exec(written)?.[1]);
  const bind = `--host 127.0.0.1 --port ${port} --system-id feige`;
  assert.equal(await feige('account create --username shop --points 100 --password-stdin', CREDENTIALS.account), 0);
  assert.equal(await feige(`operator add alpha ${bind} --password-stdin`, CREDENTIALS.operator), 0);
  assert.equal(await feige(`operator add beta ${bind} --priority 200 --password ${CREDENTIALS.wrongOperator}`), 0);
  assert.equal(await feige('operator test beta'), 1);
  assert.equal(
    await feige(
      'trunk add sbc --host 127.0.0.1 --port 9 --username me --answer-timeout-ms 500 --password-stdin',
      CREDENTIALS.trunk,
    ),
    0,
  );
  for (const command of [
    'operator list --json',
    'operator show alpha',
    'trunk show sbc',
    'trunk list',
    'secret status',
  ])
    assert.equal(await feige(command), 0, command);
  // A drurl is looked at first, and this one answers 500: without it, then.
  await send(MOBILE);
  const plain = { username: 'shop', password: CREDENTIALS.account, mobile: MOBILE, message: TEXT };
  const accepted = await ask('/json/sms_send.php', plain, 'POST');
  const msgid = /"msgid":"?(\d+)/.exec(accepted)?.[1] ?? assert.fail(accepted);
  const look = { username: 'shop', password: CREDENTIALS.account, mobile: MOBILE, msgid };
  await eventually('delivery', async () =>
    (await ask('/json/sms_query.php', look)).includes('DELIVRD') ? true : undefined,
  );
  assert.equal(await feige(`message show ${msgid}`), 0);
});

test('failures of every kind have happened', async () => {
  const guess = { username: 'shop', password: CREDENTIALS.guess, mobile: MOBILE, message: TEXT };
  assert.match(await ask('/json/sms_send.php', guess), /00012/);
  await ask('/json/sms_send.php', { ...guess, username: 'nobody' });
  await ask('/json/sms_send.php', { ...guess, mobile: `x${MOBILE}` });
  await ask(`/${CREDENTIALS.guess}/${TOKEN}`, guess);
  const call = { username: 'shop', password: CREDENTIALS.account, type: '1', phone: LANDLINE, message: SPOKEN };
  await ask('/send_voice.php', call);
  // A row that the database refuses, with the whole of it in the server's own log.
  const url = (await findRunningEmbeddedPostgres(dataDir)) ?? assert.fail();
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  await client.query(
    `ALTER TABLE messages ADD CONSTRAINT test_refuses CHECK (mobile <> '886${REFUSED_MOBILE.slice(1)}')`,
  );
  const plain = { username: 'shop', password: CREDENTIALS.account, message: TEXT };
  assert.match(await ask('/json/sms_send.php', { ...plain, mobile: REFUSED_MOBILE }), /9999[89]/);
  await client.query('ALTER TABLE messages DROP CONSTRAINT test_refuses');
  // The database goes away in the middle, and comes back.
  const note = JSON.parse(await readFile(join(dataDir, 'postgres.json'), 'utf8')) as { server: { processId: number } };
  process.kill(note.server.processId, 'SIGKILL');
  for (let turn = 0; turn < 5; turn++) await ask('/json/sms_send.php', { ...plain, mobile: MOBILE });
  await client.end().catch(() => {});
  await eventually('the database again', async () =>
    (await ask('/json/sms_query.php', { ...plain, checkpoint: 'Y' })).includes('00000') ? true : undefined,
  );
  // Starts and commands that can't work.
  const unreachable = `postgres://feige:${CREDENTIALS.database}@127.0.0.1:1/feige`;
  for (const env of [
    { DATABASE_URL: unreachable },
    { DATABASE_URL: `mysql://u:${CREDENTIALS.database}@h/db` },
    { DATABASE_URL: unreachable, SECRET_KEY: `${CREDENTIALS.key}x` },
  ]) {
    assert.equal(await run(['src/main.ts'], environment({ LOG_LEVEL: 'trace', DATABASE_PATIENCE_S: '1', ...env })), 1);
    assert.equal(await run(['src/cli/feige.ts', 'account', 'list'], environment(env)), 1);
    assert.equal(await run(['src/cli/feige.ts', 'migrate'], environment(env)), 1);
  }
  assert.equal(await feige(`account create --username shop --password ${CREDENTIALS.account}`), 1);
  assert.equal(await feige(`operator add gamma --port 0 --password ${CREDENTIALS.operator}`), 2);
  const other = environment({ SECRET_KEY: Buffer.alloc(32, 5).toString('base64') });
  assert.equal(await run(['src/cli/feige.ts', 'secret', 'status'], other), 1);
  assert.equal(await run(['src/cli/feige.ts', 'operator', 'test', 'alpha'], other), 1);
  assert.equal(await run(['src/cli/feige.ts', 'secret', 'rotate'], other), 1);
  metrics = await (await fetch(platform.metrics)).text();
});

test('no log, no error and no output of a command holds a secret, a text or a number', () => {
  const secrets = [...Object.values(CREDENTIALS), ...keyLines(), TOKEN, SPOKEN];
  assertHides("the platform's output at its loudest", platform.output(), [...secrets, TEXT, ...NUMBERS]);
  assert.match(platform.output(), /test_refuses/, 'the refused row was logged');
  // `message show` is asked for the text and the number.
  assertHides('what commands and other starts wrote', written, secrets);
});

test('no metric and no answer holds a secret', () => {
  const secrets = [...Object.values(CREDENTIALS), ...keyLines(), TOKEN, TEXT, SPOKEN];
  assertHides('the metrics', metrics, [...secrets, ...NUMBERS]);
  assertHides('the answers', answered, secrets);
});

test('no list of processes holds a secret', async () => {
  const commandLines: string[] = [];
  for (const processId of await readdir('/proc')) {
    if (!/^\d+$/.test(processId)) continue;
    commandLines.push(await readFile(join('/proc', processId, 'cmdline'), 'utf8').catch(() => ''));
  }
  const all = commandLines.join('\n').replaceAll('\0', ' ');
  assert.match(all, /postgres.*listen_addresses/, 'the embedded PostgreSQL is among them');
  assert.match(all, /src\/main\.ts/);
  const note = JSON.parse(await readFile(join(dataDir, 'postgres.json'), 'utf8')) as { password: string };
  assertHides('a command line', all, [note.password, ...Object.values(CREDENTIALS), TOKEN, TEXT, SPOKEN]);
});

test('neither the tables nor the files of the database hold a password or a key', async () => {
  const url = (await findRunningEmbeddedPostgres(dataDir)) ?? assert.fail();
  const client = new pg.Client(url);
  await client.connect();
  const tables = await client.query<{ name: string }>(
    `SELECT quote_ident(relname) AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace`,
  );
  let dump = '';
  for (const { name } of tables.rows) {
    const { rows } = await client.query<{ line: string }>(`SELECT t::text AS line FROM ${name} t`);
    dump += rows.map(({ line }) => line).join('\n');
  }
  // What is in shared memory only is in the files after this.
  await client.query('CHECKPOINT');
  await client.end();
  assert.ok(dump.includes('""sealed"": ""v1.'), 'the sealed passwords are in the dump');
  const kept = [...Object.values(CREDENTIALS), ...keyLines()];
  assertHides('a table', dump, kept);
  const names = await readdir(dataDir, { recursive: true, withFileTypes: true });
  const paths = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  assert.ok(paths.some((path) => path.includes('pg_wal')));
  for (const path of paths) {
    const content = await readFile(path, 'latin1').catch(() => '');
    const found = kept.find((secret) => content.includes(secret));
    assert.equal(found, undefined, `${path} holds ${found}`);
  }
});
