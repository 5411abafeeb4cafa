import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { startCustomerServer } from '../harness/customer-server.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { metricValue } from '../harness/metrics-text.ts';
import {
  type Answer,
  ask,
  makeDataDir,
  type PlatformProcess,
  startPlatformProcess,
} from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const USER = { username: 'test', password: '1234' };
const MOBILE = '0911222333';
const HOUR_MS = 3_600_000;

let database: TestDatabase;
let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;

before(async () => {
  database = await createTestDatabase();
  directory = await makeDataDir();
  platform = await startPlatformProcess({
    dataDir: directory.path,
    env: { DATABASE_URL: database.url, SIMULATOR: 'on' },
  });
});
after(async () => {
  await platform.end('SIGTERM');
  await database.drop();
  await directory.remove();
});

const send = (more: Record<string, string> = {}): Promise<Answer> =>
  ask(platform.http, 'sms_send.php', { ...USER, mobile: MOBILE, message: 'hello', ...more });
const query = (more: Record<string, string>): Promise<Answer> =>
  ask(platform.http, 'sms_query.php', { ...USER, mobile: MOBILE, ...more });
const incoming = (more: Record<string, string>): Promise<Answer> =>
  ask(platform.http, 'smsmo_query.php', { username: 'test123', password: '1234test', snumber: '12345', ...more });

async function sent(more: Record<string, string> = {}): Promise<string> {
  const answer = await send(more);
  assert.equal(answer.code, '00000', JSON.stringify(answer));
  return String(answer.msgid);
}

function feige(...words: string[]): Promise<{ stdout: string }> {
  return promisify(execFile)(process.execPath, ['src/cli/feige.ts', ...words], {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: database.url, DATA_DIR: directory.path },
  });
}

/** What only the database can be told, past the platform. */
async function inDatabase<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  try {
    return (await admin.query<Row>(sql)).rows;
  } finally {
    await admin.end();
  }
}

/** Taipei wall time as sendtime wants it. */
function taipei(epochMs: number): string {
  return new Date(epochMs + 8 * HOUR_MS).toISOString().replace(/[-T:]/g, '').slice(0, 12);
}

const LONG_CHINESE = '飛'.repeat(336);

const SEND_CODES: [string, string, Record<string, string>][] = [
  ['00010', 'a username with a blank', { username: 'te st' }],
  ['00010', 'a password of three characters', { password: '123' }],
  ['00010', 'a password of three characters before everything else', { password: '123', mobile: '1', message: '' }],
  ['00011', 'an account that does not exist', { username: 'nobody' }],
  ['00012', 'a wrong password', { password: '12345' }],
  ['00020', 'an account without points', { username: 'nopoints' }],
  ['00030', 'an address outside the allow-list', { username: 'badip' }],
  ['00031', 'a number abroad without leave', { username: 'domestic', mobile: '85291234567' }],
  ['00040', 'a disabled account', { username: 'disabled' }],
  ['00041', 'an account whose API is off', { username: 'noapi' }],
  ['00050', 'a send time that does not exist', { sendtime: '202602301200' }],
  ['00050', 'a send time over a year ahead', { sendtime: taipei(Date.now() + 366 * 24 * HOUR_MS) }],
  ['00060', 'a validity of 299 s', { expirytime: '299' }],
  ['00060', 'a validity of 28801 s', { expirytime: '28801' }],
  ['00100', 'a mobile number too short', { mobile: '091122233' }],
  ['00100', 'a domestic landline', { mobile: '0223456789' }],
  ['00110', 'an empty message', { message: '' }],
  ['00120', 'a long message abroad', { mobile: '85291234567', message: 'a'.repeat(161) }],
  ['00130', 'a message of six segments', { message: LONG_CHINESE }],
  ['00130', 'two segments with lmsg=N', { message: 'a'.repeat(161), lmsg: 'N' }],
  ['00140', 'a drurl that is no URL', { drurl: 'not a url' }],
  ['00140', 'a drurl with a literal private address', { drurl: 'http://10.0.0.1/x' }],
  ['00150', 'a send time that has passed', { sendtime: '202003121830' }],
  ['00170', 'a drurl nobody listens at', { drurl: 'http://127.0.0.1:1/x' }],
  ['00180', 'an emoji', { message: 'hi 😀' }],
];
for (const [code, why, parameters] of SEND_CODES) {
  test(`sms_send answers ${code} for ${why}, stores nothing and charges nothing`, async () => {
    const pointsBefore = (await query({ checkpoint: 'Y' })).point;
    const answer = await send(parameters);
    assert.equal(answer.code, code);
    assert.equal('msgid' in answer, false);
    assert.equal((await query({ checkpoint: 'Y' })).point, pointsBefore);
  });
}

test('sms_send answers 00000 with a msgid that is a number of 8 to 11 digits', async () => {
  const answer = await send();
  assert.deepEqual(Object.keys(answer), ['code', 'text', 'msgid']);
  assert.equal(answer.text, 'Success');
  assert.equal(typeof answer.msgid, 'number');
  assert.match(String(answer.msgid), /^\d{8,11}$/);
});

test('a drurl must answer 200, and a redirect is not 200', async () => {
  const server = createServer((request, response) => {
    const status = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('status'));
    response.writeHead(status, { location: '/?status=200' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    assert.equal((await send({ drurl: `http://127.0.0.1:${port}/a?status=302` })).code, '00170');
    assert.equal((await send({ drurl: `http://127.0.0.1:${port}/b?status=500` })).code, '00170');
    assert.equal((await send({ drurl: `http://127.0.0.1:${port}/c?status=200` })).code, '00000');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('the platform itself is no drurl', async () => {
  assert.equal((await send({ drurl: `${platform.http}/healthz` })).code, '00140');
});

const STATES: [string, string, string][] = [
  [MOBILE, 'DELIVRD', '0'],
  ['0900000001', 'EXPIRED', '-1'],
  ['0900000002', 'DELETED', '-1'],
  ['0900000003', 'UNDELIV', '-1'],
  ['0900000005', 'UNKNOWN', '-1'],
  ['0900000006', 'REJECTD', '-1'],
  ['0900000007', 'SYNTAXE', '-1'],
  ['0900000008', 'MOBERROR', '-1'],
  ['0900000009', 'MSGERROR', '-1'],
  ['0900000010', 'OTERROR', '-1'],
  ['0900000012', 'REJMOBIL', '-1'],
];

async function final(msgid: string, mobile: string): Promise<Answer> {
  return eventually(`a final state of ${msgid}`, async () => {
    const answer = await query({ mobile, msgid });
    return 'statustext' in answer ? answer : undefined;
  });
}

for (const [mobile, statustext, statuscode] of STATES) {
  test(`sms_query answers ${statustext} for a message to ${mobile}`, async () => {
    const answer = await final(await sent({ mobile }), mobile);
    assert.deepEqual(Object.keys(answer), ['code', 'text', 'statuscode', 'statustext', 'donetime']);
    assert.equal(answer.statustext, statustext);
    assert.equal(answer.statuscode, statuscode);
    assert.match(String(answer.donetime), /^20\d{12}$/);
  });
}

test('sms_query answers REJERROR for a filtered word', async () => {
  await feige('filter', 'add', '賭場');
  const answer = await eventually('the filter to hold', async () => {
    const found = await final(await sent({ message: '線上賭場' }), MOBILE);
    return found.statustext === 'REJERROR' ? found : undefined;
  });
  assert.equal(answer.statuscode, '-1');
});

test('sms_query answers 00300, 00310, 00420 and deletes a scheduled message once', async () => {
  assert.equal((await query({ msgid: '99999999999' })).code, '00300');
  assert.equal((await query({ msgid: '123' })).code, '00420');
  assert.equal((await query({})).code, '00420');
  assert.equal((await query({ msgid: '123456789', mobile: 'abc' })).code, '00420');
  const before = (await query({ checkpoint: 'Y' })).point;
  const msgid = await sent({ sendtime: taipei(Date.now() + 2 * HOUR_MS) });
  assert.equal((await query({ msgid })).code, '00310');
  assert.equal((await query({ msgid, mobile: '0911222334' })).code, '00300');
  const other = await ask(platform.http, 'sms_query.php', {
    username: 'test123',
    password: '1234test',
    mobile: MOBILE,
    msgid,
  });
  assert.equal(other.code, '00300', "another account's message");
  assert.equal((await query({ msgid, delttime: 'Y' })).code, '00000');
  assert.equal((await query({ msgid, deltime: 'Y' })).code, '00300');
  assert.equal((await query({ msgid })).statustext, 'DELETED');
  assert.equal((await query({ checkpoint: 'Y' })).point, before);
});

test('smsmo_query answers 00400, 00410, 00430 and what a handset sent', async () => {
  assert.equal((await incoming({ snumber: '1234' })).code, '00430');
  assert.equal((await incoming({ sdate: '2026-02-30' })).code, '00430');
  assert.equal((await incoming({ snumber: '54321' })).code, '00400');
  assert.equal((await incoming({ sdate: '2012-03-24' })).code, '00410');
  await fetch(`${platform.http}/simulator/handsets/${MOBILE}/messages`, {
    method: 'POST',
    body: JSON.stringify({ to: '12345', text: '台灣簡訊雙向回傳測試'.repeat(10) }),
  });
  const answer = await eventually('the incoming message', async () => {
    const found = await incoming({});
    return found.code === '00000' ? found : undefined;
  });
  const [row] = answer.moResp as Record<string, string>[];
  assert.deepEqual(Object.keys(row ?? {}), ['seq', 'date', 'mobile', 'message']);
  assert.equal(row?.mobile, MOBILE);
  assert.equal(row?.message, '台灣簡訊雙向回傳測試'.repeat(10));
});

test('a message reaches the handset as it was written, long ones joined', async () => {
  const mobile = '0922333444';
  const text = `飛鴿 ${'傳書'.repeat(60)}\n€`;
  await sent({ mobile, message: text });
  const messages = (await (await fetch(`${platform.http}/simulator/handsets/${mobile}/messages?wait=5`)).json()) as {
    text: string;
    segments: number;
  }[];
  assert.equal(messages[0]?.text, text);
  assert.equal(messages[0]?.segments, 2);
});

test('https and POST bodies of each kind give the same answers', async () => {
  const parameters = new URLSearchParams({ ...USER, mobile: MOBILE, message: 'posted' });
  const form = new FormData();
  for (const [name, value] of parameters) form.append(name, value);
  for (const body of [parameters, form]) {
    const response = await fetch(`${platform.http}/json/sms_send.php`, { method: 'POST', body });
    assert.equal(((await response.json()) as Answer).code, '00000');
  }
  const empty = await fetch(`${platform.http}/json/sms_send.php?${parameters.toString()}`, {
    method: 'POST',
    body: '{}',
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(((await empty.json()) as Answer).code, '00000');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      '-e',
      `fetch(process.argv[1]).then((r) => r.text()).then(console.log)`,
      `${platform.https}/json/sms_send.php?${parameters.toString()}`,
    ],
    { env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' } },
  );
  assert.match(stdout, /"code":"00000"/);
  const head = await fetch(`${platform.http}/json/sms_send.php?${parameters.toString()}`, { method: 'HEAD' });
  assert.equal(head.status, 405);
});

test('a number that no operator carries is answered with 99998 and costs nothing', async () => {
  await feige('operator', 'set', 'simulator', '--prefixes', '886');
  await eventually('the narrower route', async () => {
    const found = await send({ mobile: '85291234567' });
    return found.code === '99998' ? found : undefined;
  });
  const before = (await query({ checkpoint: 'Y' })).point;
  const answer = await send({ mobile: '85291234567' });
  assert.equal(answer.code, '99998');
  assert.equal('msgid' in answer, false);
  assert.equal((await query({ checkpoint: 'Y' })).point, before);
  await feige('operator', 'set', 'simulator', '--prefixes', '');
});

const REFUSED_MOBILE = '0911000013';
const NEIGHBOUR_MOBILE = '0911000014';
const NEIGHBOURS = 8;

test('a row that the database refuses is 99998 and costs nothing, while its neighbours in the batch are accepted', async () => {
  // A sequence counts on through a statement that is rolled back: it shows who stood in a batch that broke.
  await inDatabase(`CREATE SEQUENCE neighbour_tries;
    CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.mobile = '886911000013' THEN RAISE EXCEPTION 'refused' USING ERRCODE = '22023'; END IF;
      PERFORM nextval('neighbour_tries');
      RETURN NEW;
    END $$;
    CREATE TRIGGER refuses_one BEFORE INSERT ON messages FOR EACH ROW
      WHEN (NEW.mobile IN ('886911000013', '886911000014')) EXECUTE FUNCTION refuse_one()`);
  let taken = 0;
  await eventually('a batch with both in it', async () => {
    const before = Number((await query({ checkpoint: 'Y' })).point);
    const mobiles = Array.from({ length: NEIGHBOURS }, () => NEIGHBOUR_MOBILE).toSpliced(2, 0, REFUSED_MOBILE);
    const answers = await Promise.all(mobiles.map((mobile) => send({ mobile })));
    for (const [place, mobile] of mobiles.entries())
      assert.equal(answers[place]?.code, mobile === REFUSED_MOBILE ? '99998' : '00000');
    assert.equal((await query({ checkpoint: 'Y' })).point, before - NEIGHBOURS);
    taken += NEIGHBOURS;
    const [tries] = await inDatabase<{ tries: string }>('SELECT last_value AS tries FROM neighbour_tries');
    return Number(tries?.tries) > taken ? true : undefined;
  });
  const [stored] = await inDatabase<{ rows: number }>(
    "SELECT count(*)::int AS rows FROM messages WHERE mobile = '886911000013'",
  );
  assert.equal(stored?.rows, 0);
  await inDatabase('DROP TRIGGER refuses_one ON messages');
});

test('after validity and grace a message ends as ACCEPTD or UNKNOWN, as the last word of its operator was', async () => {
  await feige('operator', 'set', 'simulator', '--response-timeout-ms', '500');
  const accepted = await sent({ mobile: '0900000004', expirytime: '300' });
  const silent = await sent({ mobile: '0900000029', expirytime: '300' });
  assert.equal((await query({ mobile: '0900000004', msgid: accepted })).code, '00001');
  await eventually('both attempts of the silent one', async () => {
    const { stdout } = await feige('message', 'show', silent);
    return stdout.split('outcome-unknown').length > 2 ? true : undefined;
  });
  await inDatabase('UPDATE clock_shift SET offset_ms = offset_ms + 4000000');
  assert.equal((await final(accepted, '0900000004')).statustext, 'ACCEPTD');
  assert.equal((await final(silent, '0900000029')).statustext, 'UNKNOWN');
});

test('in the end balance and statement agree for all accounts', async () => {
  const { stdout } = await feige('ledger', 'check', '--json');
  assert.deepEqual((JSON.parse(stdout) as { mismatches: unknown[] }).mismatches, []);
});

const SMS_STAGES = ['accept', 'submit', 'receipt'];

test('the metrics tell what happened: one more of each for one message more', async () => {
  const customer = await startCustomerServer((response) => response.end());
  const read = async (): Promise<string> => (await fetch(platform.metrics)).text();
  await eventually('an end of everything before', async () => {
    const open = await inDatabase('SELECT FROM messages WHERE state IS NULL LIMIT 1');
    return open.length === 0 ? true : undefined;
  });
  const before = await read();
  try {
    const grew = (after: string, name: string, labels?: Record<string, string>): number =>
      metricValue(after, name, labels) - metricValue(before, name, labels);
    await final(await sent({ drurl: customer.url, drurl_check: 'N' }), MOBILE);
    await customer.asked(1);
    const after = await eventually('the callback in the metrics', async () => {
      const text = await read();
      return grew(text, 'feige_callbacks_total', { result: 'ok' }) === 1 ? text : undefined;
    });
    const operator = 'simulator';
    assert.equal(grew(after, 'feige_answers_total', { endpoint: 'sms_send', code: '00000' }), 1);
    assert.equal(grew(after, 'feige_submits_total', { operator, result: 'accepted' }), 1);
    assert.equal(grew(after, 'feige_receipts_total', { operator, state: 'DELIVRD' }), 1);
    assert.equal(grew(after, 'feige_delivery_seconds_count'), 1);
    const seconds = grew(after, 'feige_delivery_seconds_sum');
    assert.ok(seconds > 0 && seconds < 20, `${seconds} s from acceptance to the final state`);
    for (const stage of SMS_STAGES) {
      assert.equal(grew(after, 'feige_batch_rows_count', { stage }), 1, stage);
      assert.equal(grew(after, 'feige_batch_rows_sum', { stage }), 1, stage);
    }
  } finally {
    await customer.stop();
  }
});

test('the metrics tell of refusals and of other states by the operator they came from', async () => {
  const text = await (await fetch(platform.metrics)).text();
  for (const state of ['DELIVRD', 'EXPIRED', 'DELETED', 'UNDELIV', 'ACCEPTD', 'UNKNOWN', 'REJECTD'])
    assert.ok(metricValue(text, 'feige_receipts_total', { operator: 'simulator', state }) >= 1, state);
  for (const result of ['accepted', 'unknown', 'SYNTAXE', 'MOBERROR', 'MSGERROR', 'OTERROR', 'REJMOBIL'])
    assert.ok(metricValue(text, 'feige_submits_total', { operator: 'simulator', result }) >= 1, result);
  const ended = metricValue(text, 'feige_delivery_seconds_count');
  const [final] = await inDatabase<{ rows: number }>(
    'SELECT count(*)::int AS rows FROM messages WHERE state IS NOT NULL AND NOT scheduled',
  );
  assert.equal(ended, final?.rows);
  assert.equal(metricValue(text, 'feige_unresolved_commits_total'), 0);
});
