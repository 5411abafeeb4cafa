import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { verifyPassword } from '../../src/base/password.ts';
import { acceptBatch } from '../../src/store/acceptance.ts';
import { Database } from '../../src/store/database.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const FEIGE = fileURLToPath(new URL('../../src/cli/feige.ts', import.meta.url));
const MSGID = 100_000_000;

let template: TestDatabase;
let client: pg.Client;

before(async () => {
  template = await createTestDatabase();
  client = new pg.Client(template.url);
  await client.connect();
});

after(async () => {
  await client.end();
  await template.drop();
});

interface Finished {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

async function feige(args: readonly string[], input = '', env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const child = spawn(process.execPath, [FEIGE, ...args], {
    env: { PATH: process.env.PATH, DATABASE_URL: template.url, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const finished: Finished = { exitCode: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    finished.stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    finished.stderr += chunk;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once('close', resolve);
  finished.exitCode = await promise;
  return finished;
}

/** Runs a command that has to work; what it printed with --json. */
async function json(...args: string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await feige([...args, '--json']);
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout);
}

async function refused(exitCode: number, message: RegExp, ...args: string[]): Promise<void> {
  const finished = await feige(args);
  assert.equal(finished.exitCode, exitCode, finished.stderr);
  assert.match(finished.stderr, message);
  assert.doesNotMatch(finished.stderr, /\n\s+at /, 'an expected failure shows no stack');
  assert.equal(finished.stdout, '');
}

test('an account is made, changed, charged with points, and checked', async () => {
  const created = await json('account', 'create', '--username', 'shop', '--password', 's3cret word', '--points', '100');
  assert.partialDeepStrictEqual(created, { username: 'shop', points: 100, state: 'active', api: true, ip: [] });
  assert.doesNotMatch(JSON.stringify(created), /password|argon2/i);

  const options = '--state disabled --api off --international on --ip 192.0.2.1,2001:db8::/32 --text-encoding big5';
  const more = '--double-encoding never --incoming-url https://shop.example/in --source-address SHOP --share 2';
  assert.partialDeepStrictEqual(await json('account', 'set', 'shop', ...options.split(' '), ...more.split(' ')), {
    state: 'disabled',
    api: false,
    international: true,
    ip: ['192.0.2.1/32', '2001:db8::/32'],
    textEncoding: 'big5',
    doubleEncoding: 'never',
    incomingUrl: 'https://shop.example/in',
    sourceAddress: 'SHOP',
    share: 2,
  });
  await json('account', 'set', 'shop', '--state', 'active', '--api', 'on', '--ip', 'none', '--incoming-url', 'none');
  assert.partialDeepStrictEqual(await json('account', 'show', 'shop'), {
    state: 'active',
    ip: [],
    incomingUrl: null,
    international: true,
  });

  assert.partialDeepStrictEqual(await json('account', 'topup', 'shop', '--points', '50', '--note', 'invoice 7'), {
    kind: 'topup',
    balance: 150,
  });
  assert.partialDeepStrictEqual(await json('account', 'topup', 'shop', '--points', '-30'), {
    kind: 'correction',
    balance: 120,
  });
  await refused(1, /shop has 120 points; 121 cannot be taken away/, 'account', 'topup', 'shop', '--points', '-121');
  const statement = (await json('account', 'statement', 'shop')) as { points: number; balance: number; note: string }[];
  assert.deepEqual(
    statement.map(({ points, balance, note }) => [points, balance, note]),
    [
      [-30, 120, null],
      [50, 150, 'invoice 7'],
      [100, 100, 'opening balance'],
    ],
  );
  assert.deepEqual(await json('ledger', 'check'), { agrees: true, accounts: 1, mismatches: [] });
  const list = await feige(['account', 'list']);
  assert.match(list.stdout, /^username +points.*\nshop +120 +active +on +on +everywhere\n$/);
});

test('a password can come from standard input and is stored as a hash that verifies', async () => {
  const created = await feige(['account', 'create', '--username', 'quiet', '--password-stdin'], 'from stdin\n');
  assert.equal(created.exitCode, 0, created.stderr);
  const readHash = async () =>
    String((await client.query(`SELECT password_hash FROM accounts WHERE username = 'quiet'`)).rows[0]?.password_hash);
  assert.equal(await verifyPassword('from stdin', await readHash()), true);
  await json('account', 'password', 'quiet', '--password', 'another one');
  assert.equal(await verifyPassword('another one', await readHash()), true);
});

test('what was typed wrongly ends with exit code 2 and where help is', async () => {
  await refused(2, /unknown command 'bogus'\n--help/, 'account', 'bogus');
  await refused(2, /password must be 4 to 64/, 'account', 'password', 'shop', '--password', '123');
});

for (const [what, message, args] of [
  ['a name that is taken', /there is an account shop already/, 'account create --username shop --password 1234'],
  ['an unknown account', /there is no account nobody/, 'account show nobody'],
  ['points for nobody', /there is no account nobody/, 'account topup nobody --points 1'],
  ['a password for nobody', /there is no account nobody/, 'account password nobody --password 1234'],
  ['a statement of nobody', /there is no account nobody/, 'account statement nobody'],
  ['a number for nobody', /there is no account nobody/, 'number assign 12345 --address 1 --account nobody'],
  ['an unknown number', /99999 belongs to nobody/, 'number release 99999'],
  ['an unknown operator', /there is no operator nobody/, 'operator test nobody'],
  ['an unknown message', /there is no message 99999999999/, 'message show 99999999999'],
  ['an unknown callback', /there is no callback 7/, 'callback replay 7'],
  ['an unfiltered word', /"x" is not filtered for everybody/, 'filter remove x'],
] as const) {
  test(`${what} ends with exit code 1 and a sentence`, () => refused(1, message, ...args.split(' ')));
}

test('a password is not repeated by a mistake', async () => {
  const { stderr } = await feige(['account', 'create', '--username', 'a/b', '--password', 'top-secret']);
  assert.doesNotMatch(stderr, /top-secret/);
});

test('two-way numbers, words and opt-outs are added, listed and removed', async () => {
  await json('number', 'assign', '12345', '--address', '+886 900-012345', '--account', 'shop');
  assert.deepEqual(await json('number', 'list'), [{ snumber: '12345', address: '886900012345', username: 'shop' }]);
  await refused(1, /belongs to shop/, 'number', 'assign', '12345', '--address', '1', '--account', 'quiet');
  await json('number', 'release', '12345');
  assert.deepEqual(await json('number', 'list'), []);

  await json('filter', 'add', '賭博');
  await json('filter', 'add', 'free loan', '--account', 'shop');
  assert.deepEqual(await json('filter', 'list'), [
    { word: '賭博', account: null },
    { word: 'free loan', account: 'shop' },
  ]);
  assert.deepEqual(await json('filter', 'list', '--account', 'quiet'), [{ word: '賭博', account: null }]);
  await json('filter', 'remove', '賭博');

  await json('optout', 'add', '0911-222-333');
  assert.partialDeepStrictEqual(await json('optout', 'list'), [{ mobile: '0911222333', account: null }]);
  const { rows } = await client.query('SELECT mobile FROM opt_outs');
  assert.deepEqual(rows, [{ mobile: '886911222333' }]);
  await json('optout', 'remove', '0911222333');
  assert.deepEqual(await json('optout', 'list'), []);
});

test('a mismatch makes ledger check fail and is named', async () => {
  await client.query(`UPDATE accounts SET balance = balance + 1 WHERE username = 'shop'`);
  try {
    const { exitCode, stdout } = await feige(['ledger', 'check']);
    assert.equal(exitCode, 1);
    assert.match(stdout, /shop: the balance is 121, the movements sum up to 120/);
  } finally {
    await client.query(`UPDATE accounts SET balance = balance - 1 WHERE username = 'shop'`);
  }
});

test("a message's life is shown line by line, and its charge in the statement", async () => {
  const added = await client.query<{ operator_id: number }>(
    `INSERT INTO operators (name, settings) VALUES ('alpha', '{"host":"h","systemId":"s","password":"hidden"}') RETURNING operator_id`,
  );
  const account = await client.query<{ account_id: number; version: string }>(
    `SELECT account_id, version FROM accounts WHERE username = 'shop'`,
  );
  const db = new Database(template.url);
  await makePartitions(db);
  const nowMs = Date.UTC(2026, 10, 22, 10, 4, 5, 678);
  const { rejected } = await acceptBatch(db, nowMs, [
    {
      msgid: MSGID,
      accountId: account.rows[0]?.account_id ?? 0,
      accountVersion: Number(account.rows[0]?.version),
      mobile: '886911222333',
      body: '您好\n\u001b[31m',
      segments: 1,
      points: 1,
      runningPoints: 1,
      runningSegments: 1,
      dueAtMs: undefined,
      validitySeconds: 300,
      drurl: 'https://shop.example/cb',
      operatorId: added.rows[0]?.operator_id ?? 0,
      sourceAddress: undefined,
      claimed: false,
    },
  ]);
  await db.stop();
  assert.deepEqual(rejected, []);
  await client.query(
    `INSERT INTO message_events (msgid, at, kind, operator_id, segment, link, sequence, operator_message_id, status, detail)
     VALUES ($1, to_timestamp($2 / 1000.0), 'submitted', $3, 1, 'alpha/0', 17, 'A1F', 0, 'claimed 2026-11-22T10:04:05.700Z'),
       ($1, to_timestamp($2 / 1000.0), 'receipt', $3, 1, NULL, NULL, 'A1F', NULL, 'id:A1F stat:DELIVRD'),
       ($1, to_timestamp($2 / 1000.0), 'callback', NULL, NULL, NULL, NULL, NULL, 200, NULL)`,
    [MSGID, nowMs + 100, added.rows[0]?.operator_id],
  );
  const { stdout, stderr } = await feige(['message', 'show', String(MSGID)]);
  assert.equal(stderr, '');
  assert.match(stdout, /message +您好\\n\\u001b\[31m\n/);
  assert.match(stdout, /2026-11-22 18:04:05\.678 {2}accepted +1 segment, 1 point\n/);
  assert.match(stdout, /18:04:05\.700 {2}claimed +for operator alpha\n/);
  assert.match(
    stdout,
    /18:04:05\.778 {2}submitted +segment 1, operator alpha, link alpha\/0, sequence 17, operator's id A1F, status 0x0\n/,
  );
  assert.match(stdout, /receipt +segment 1, operator alpha, operator's id A1F, id:A1F stat:DELIVRD\n/);
  assert.match(stdout, /callback +status 200\n/);
  assert.match(stdout, /now +in the queue for operator alpha\n$/);

  const life = await json('message', 'show', String(MSGID));
  assert.partialDeepStrictEqual(life, {
    message: { msgid: MSGID, mobile: '0911222333', acceptedAt: '2026-11-22T10:04:05.678Z', state: null, doneAt: null },
    places: [{ place: 'queue' }],
  });
  const [charge] = (await json('account', 'statement', 'shop', '--messages', '--limit', '1')) as object[];
  assert.partialDeepStrictEqual(charge, {
    kind: 'charge',
    points: -1,
    chargedMessages: [{ msgid: MSGID, mobile: '0911222333', points: 1, refunded: 0, state: null }],
  });
});

test('callbacks are listed and sent again', async () => {
  await client.query(
    `INSERT INTO outbox (kind, account_id, msgid, url, host, state, created_at, next_at, give_up_at, attempts, given_up, parked)
     SELECT 'receipt', account_id, $1, 'https://shop.example/cb', 'shop.example', 'DELIVRD', now(), now(), now(), 9, true, true
     FROM accounts WHERE username = 'shop'`,
    [MSGID],
  );
  const listed = (await json('callback', 'list', '--state', 'given-up', '--account', 'shop')) as {
    callbackId: number;
  }[];
  assert.partialDeepStrictEqual(listed, [
    { msgid: MSGID, state: 'given-up', messageState: 'DELIVRD', attempts: 9, nextAt: null },
  ]);
  const table = await feige(['callback', 'list', '--state', 'given-up']);
  assert.match(table.stdout, /^id +account +msgid +message-state +state +.*\n.* DELIVRD +given-up +9 /);
  await json('callback', 'replay', String(listed[0]?.callbackId));
  assert.deepEqual(await json('callback', 'list', '--state', 'given-up'), []);
  assert.partialDeepStrictEqual(await json('callback', 'replay', '--msgid', String(MSGID)), { kind: 'queued' });
});

test('without a database the command says what to do', async () => {
  const { exitCode, stderr } = await feige(['account', 'list'], '', {
    DATABASE_URL: '',
    DATA_DIR: '/nonexistent/feige',
  });
  assert.equal(exitCode, 1);
  assert.match(stderr, /no platform runs on the data directory \/nonexistent\/feige; start it with "npm start"/);
});

test('a wrong configuration is named', async () => {
  const { exitCode, stderr } = await feige(['account', 'list'], '', { HTTP_PORT: 'eighty', LOG_LEVEL: 'loud' });
  assert.equal(exitCode, 1);
  assert.match(stderr, /HTTP_PORT=eighty.*\n.*LOG_LEVEL=loud/);
});

test('a database that cannot be reached, or is not migrated, is said to be so', async () => {
  const unreachable = await feige(['account', 'list'], '', { DATABASE_URL: 'postgres://u:secret@127.0.0.1:1/feige' });
  assert.equal(unreachable.exitCode, 1);
  assert.match(unreachable.stderr, /DATABASE_UNREACHABLE/);
  assert.doesNotMatch(unreachable.stderr, /secret/);
});

test('an empty database is set up by migrate, once', async () => {
  const empty = await createTestDatabase();
  try {
    const other = new pg.Client(empty.url);
    await other.connect();
    await other.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    await other.end();
    const env = { DATABASE_URL: empty.url };
    const before = await feige(['account', 'list'], '', env);
    assert.equal(before.exitCode, 1);
    assert.match(before.stderr, /run "feige migrate"/);
    const migrated = await feige(['migrate', '--json'], '', env);
    assert.equal(migrated.exitCode, 0, migrated.stderr);
    assert.match(migrated.stdout, /0001-initial\.sql/);
    assert.equal((await feige(['migrate'], '', env)).stdout, 'the database is up to date\n');
    assert.equal((await feige(['account', 'list'], '', env)).stdout, 'no accounts\n');
  } finally {
    await empty.drop();
  }
});

test('a push URL with an address that would never be called is refused when it is set, however it is written', async () => {
  const set = (url: string): string[] => ['account', 'set', 'pushed', '--incoming-url', url];
  await json('account', 'create', '--username', 'pushed', '--password', '1234');
  for (const host of ['127.0.0.1', '2130706433', '0177.0.0.1', '0x7f.1', '１２７.０.０.１']) {
    await refused(2, /--incoming-url: 127\.0\.0\.1 is not a global/, ...set(`http://${host}:9/in`));
  }
  await refused(2, /169\.254\.169\.254 is not a global/, ...set('http://169.254.169.254/latest'));
  await refused(2, /::ffff:a00:1 is not a global/, ...set('https://[::ffff:10.0.0.1]/in'));
  const create = ['account', 'create', '--username', 'never', '--password', '1234', '--incoming-url'];
  await refused(2, /fd00::1 is not a global/, ...create, 'http://[fd00::1]/in');
  await refused(1, /no account never/, 'account', 'show', 'never');
  assert.partialDeepStrictEqual(await json('account', 'show', 'pushed'), { incomingUrl: null });

  const allowed = await feige(set('http://10.1.2.3/in'), '', { CALLBACK_ALLOW: '10.1.2.0/24' });
  assert.equal(allowed.exitCode, 0, allowed.stderr);
  assert.partialDeepStrictEqual(await json(...set('https://8.8.8.8/in')), { incomingUrl: 'https://8.8.8.8/in' });
});
