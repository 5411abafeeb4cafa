import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseSpeechWav } from '../../src/voice/speech/wav.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

let database: TestDatabase;
let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;

before(async () => {
  database = await createTestDatabase();
  directory = await makeDataDir();
  platform = await startPlatformProcess({
    dataDir: directory.path,
    env: { DATABASE_URL: database.url, SIMULATOR: 'on', RING_TIMEOUT_S: '1' },
  });
});
after(async () => {
  await platform.end('SIGTERM');
  await database.drop();
  await directory.remove();
});

const USER = { username: 'test', password: '1234' };
const SAMPLE_USER = { username: 'test123', password: '1234test' };

async function ask(path: string, parameters: Record<string, string>): Promise<string> {
  const response = await fetch(`${platform.http}/${path}?${new URLSearchParams(parameters).toString()}`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
  return await response.text();
}

const send = (more: Record<string, string> = {}): Promise<string> =>
  ask('send_voice.php', { ...USER, type: '1', phone: '0911222333', message: '您好', ...more });
const query = (msgid: string, user = USER): Promise<string> => ask('query_voice.php', { ...user, msgid });

async function sent(more: Record<string, string>): Promise<string> {
  const answer = await send(more);
  const msgid = /^resp=(\d{8,11}),\d+$/.exec(answer)?.[1];
  assert.ok(msgid, answer);
  return msgid;
}

/** The query's answer once the call has ended, without `resp=` and the msgid. */
function ended(msgid: string, user = USER): Promise<string> {
  return eventually(`the end of call ${msgid}`, async () => {
    const answer = await query(msgid, user);
    return answer === 'resp=-5' ? undefined : answer.replace(`resp=${msgid},`, '');
  });
}

async function points(): Promise<number> {
  const url = `${platform.http}/json/sms_query.php?username=test&password=1234&checkpoint=Y`;
  return ((await (await fetch(url)).json()) as { point: number }).point;
}

interface HandsetCall {
  status: number | null;
  endedBy: string | null;
  seconds: number;
  pressed: string;
  recording: string | null;
}

async function callsOf(number: string): Promise<HandsetCall[]> {
  return (await (await fetch(`${platform.http}/simulator/handsets/${number}/calls`)).json()) as HandsetCall[];
}

function feige(...words: string[]): Promise<{ stdout: string }> {
  return run(process.execPath, ['src/cli/feige.ts', ...words], {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: database.url, DATA_DIR: directory.path },
  });
}

/** A server of the customer's: gives the files named, 404 for others, and remembers what it was asked. */
async function startCustomer(
  files: Record<string, Buffer>,
): Promise<{ url: string; requests: string[]; asked(): Promise<URL>; stop(): Promise<void> }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const name = (request.url ?? '/').split('?', 1)[0] ?? '';
    const file = files[name];
    if (name === '/moved.wav') response.writeHead(302, { location: '/good.wav' }).end();
    else response.writeHead(file === undefined ? 404 : 200).end(file);
    server.emit('asked', request.url);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests,
    asked: async () => new URL(requests[0] ?? ((await once(server, 'asked'))[0] as string), url),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A WAVE file with a tone, 8,000 Hz, mono. */
function wave(seconds: number, bits = 8): Buffer {
  const data = Buffer.alloc(seconds * 8_000 * (bits / 8));
  for (let at = 0; at < data.length; at += 1) data[at] = 128 + Math.round(60 * Math.sin(at / 3));
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8_000, 24);
  head.writeUInt32LE(8_000 * (bits / 8), 28);
  head.writeUInt16LE(bits / 8, 32);
  head.writeUInt16LE(bits, 34);
  head.write('data', 36);
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

test('the sample of section 4 works word for word with curl, raw Chinese bytes and all', async () => {
  const sample =
    '/send_voice.php?username=test123&password=1234test&type=1&voice=4&phone=0912123456&message=這是語音簡訊發送測試&response=http://127.0.0.1/GetRes.php';
  const { stdout } = await run('curl', ['-s', `${platform.http}${sample}`]);
  const msgid = /^resp=(\d{8,11}),2$/.exec(stdout)?.[1];
  assert.ok(msgid, stdout);
  assert.match(await ended(msgid, SAMPLE_USER), /^0912123456,\d+,2,FarEnd$/);
  const calls = await callsOf('0912123456');
  assert.equal(calls.length, 1);
  const { stdout: life } = await feige('call', 'show', msgid);
  for (const line of ['INVITE sip:0912123456@', '180 Ringing', '200 OK', 'ACK ', 'BYE ', 'packets sent', 'FarEnd']) {
    assert.ok(life.includes(line), `${line} is not in\n${life}`);
  }
});

const SEND_CODES: [string, string, Record<string, string>][] = [
  ['-4', 'a missing password', { password: '' }],
  ['-4', 'a wrong password', { password: '12345' }],
  ['-4', 'an account that does not exist, before a wrong type', { username: 'nobody', type: '3' }],
  ['-3', 'a disabled account', { username: 'disabled' }],
  ['-1', 'an address outside the allow-list', { username: 'badip' }],
  ['-1', 'an account whose API is off', { username: 'noapi' }],
  ['-5', 'no type', { type: '' }],
  ['-5', 'type 3, before a wrong number', { type: '3', phone: '1' }],
  ['-8', 'a number too short', { phone: '091122233' }],
  ['-8', 'a number abroad, which the allow-list does not have', { phone: '85291234567' }],
  ['-8', 'a premium-rate number', { phone: '0204123456' }],
  ['-8', 'a wrong number, before a missing message', { phone: '09', message: '' }],
  ['-9', 'no message', { message: '' }],
  ['-9', 'a blank message', { message: ' \n' }],
  ['-9', 'a message of 1,001 characters', { message: '飛'.repeat(1_001) }],
  ['-13', 'voice 5', { voice: '5' }],
  ['-14', 'speed 11', { speed: '11' }],
  ['-14', 'a speed that is no number', { speed: 'fast' }],
  ['-15', 'vol 101', { vol: '101' }],
  ['-15', 'vol -1, before a wrong replay mode', { vol: '-1', replay: '3' }],
  ['-6', 'replay 3', { replay: '3' }],
  ['-7', 'replay_times 10', { replay: '1', replay_times: '10' }],
  ['-7', 'replay_times 0, before missing points', { username: 'nopoints', replay_times: '0' }],
  ['-2', 'an account without points', { username: 'nopoints' }],
  ['-2', 'an account without points, before a missing voice_url', { username: 'nopoints', type: '2' }],
  ['-12', 'a recording without a voice_url', { type: '2' }],
  ['-12', 'a voice_url that is no URL', { type: '2', voice_url: 'hello' }],
  ['-12', 'a voice_url with a private address', { type: '2', voice_url: 'http://10.0.0.1/a.wav' }],
  ['-12', 'a voice_url nobody listens at', { type: '2', voice_url: 'http://127.0.0.1:1/a.wav' }],
];
for (const [code, why, parameters] of SEND_CODES) {
  test(`send_voice answers ${code} for ${why}, and reserves nothing`, async () => {
    const before = await points();
    assert.equal(await send(parameters), `resp=${code}`);
    assert.equal(await points(), before);
  });
}

test('send_voice judges what a voice_url leads to: -12, -10, -11, or the call is made', async () => {
  const customer = await startCustomer({
    '/good.wav': wave(2),
    '/text.wav': Buffer.from('not a wave file at all, but long enough to be looked at'),
    '/wide.wav': wave(1, 16),
    '/long.wav': wave(601),
  });
  const fromUrl = (path: string): Promise<string> => send({ type: '2', message: '', voice_url: customer.url + path });
  assert.equal(await fromUrl('/nothing.wav'), 'resp=-12');
  assert.equal(await fromUrl('/moved.wav'), 'resp=-12');
  assert.equal(await fromUrl('/text.wav'), 'resp=-10');
  assert.equal(await fromUrl('/wide.wav'), 'resp=-11');
  assert.equal(await fromUrl('/long.wav'), 'resp=-12');
  const answer = await fromUrl('/good.wav');
  const msgid = /^resp=(\d+),2$/.exec(answer)?.[1];
  assert.ok(msgid, answer);
  await customer.stop();
  assert.match(await ended(msgid), /^0911222333,[34],2,FarEnd$/);
});

test('query_voice answers each of its codes for its true cause', async () => {
  const msgid = await sent({ phone: '0900000102' });
  assert.equal(await query(msgid, { username: 'test', password: 'wrong' }), 'resp=-3');
  assert.equal(await query(msgid, { username: '', password: '1234' }), 'resp=-3');
  assert.equal(await query(msgid, { username: 'disabled', password: '1234' }), 'resp=-2');
  assert.equal(await query(msgid, { username: 'badip', password: '1234' }), 'resp=-1');
  assert.equal(await query(msgid, { username: 'noapi', password: '1234' }), 'resp=-1');
  assert.equal(await query(''), 'resp=-4');
  assert.equal(await query('1'), 'resp=-4');
  assert.equal(await query('99999999999'), 'resp=-4');
  assert.equal(await query(msgid, SAMPLE_USER), 'resp=-4');
  assert.equal(await query(msgid), 'resp=-5');
  assert.equal(await ended(msgid), '0900000102,0,0,NoAnswer');
});

const OUTCOMES: [string, string, RegExp][] = [
  ['0900000100', 'answers and listens', /^0900000100,\d+,2,FarEnd$/],
  ['0900000101', 'is busy', /^0900000101,0,0,Busy$/],
  ['0900000103', 'declines', /^0900000103,0,0,Busy$/],
  ['0900000104', 'does not exist', /^0900000104,0,0,NoAnswer$/],
  ['0900000105', 'hangs up after a second', /^0900000105,[12],2,FarEnd$/],
  ['0900000106', 'sends no RTP', /^0900000106,\d+,2,FarEnd$/],
  ['0223456789', 'is a landline', /^0223456789,\d+,2,FarEnd$/],
];
for (const [phone, what, expected] of OUTCOMES) {
  test(`a telephone that ${what} (${phone}) ends as it should and costs what it should`, async () => {
    const before = await points();
    const message = phone === '0900000105' ? '這是一段比較長的語音簡訊，對方會提早掛斷電話' : '您好';
    const result = await ended(await sent({ phone, message }));
    assert.match(result, expected);
    assert.equal(before - (await points()), Number(result.split(',')[2]));
  });
}

test('a call is called back with msgid, phone, playtime, totalpoint and status', async () => {
  const customer = await startCustomer({ '/done': Buffer.from('ok') });
  const msgid = await sent({ phone: '0900000101', response: `${customer.url}/done?a=1` });
  const asked = await customer.asked();
  await customer.stop();
  assert.deepEqual(
    [...asked.searchParams],
    [
      ['a', '1'],
      ['msgid', msgid],
      ['phone', '0900000101'],
      ['playtime', '0'],
      ['totalpoint', '0'],
      ['status', 'Busy'],
    ],
  );
});

/** Seconds of sound in what the telephone recorded: 20 ms pieces louder than a line's noise. */
async function secondsHeard(number: string): Promise<number> {
  const [call] = await callsOf(number);
  assert.ok(call?.recording, `nothing was recorded at ${number}`);
  const response = await fetch(platform.http + call.recording);
  const wav = parseSpeechWav(Buffer.from(await response.arrayBuffer()));
  assert.ok(wav.ok);
  let loudPieces = 0;
  for (let at = 0; at < wav.samples.length; at += 160)
    if (wav.samples.subarray(at, at + 160).some((sample) => Math.abs(sample) > 1_000)) loudPieces += 1;
  return loudPieces / 50;
}

test('replay=1 plays so many times, and replay=2 again only for each time the callee presses 1', async () => {
  const customer = await startCustomer({ '/one.wav': wave(1) });
  const recording = { type: '2', voice_url: `${customer.url}/one.wav` };
  const thrice = await sent({ ...recording, phone: '0911000001', replay: '1', replay_times: '3' });
  const onKey = await sent({ ...recording, phone: '0900000108', replay: '2', replay_times: '1' });
  const noKey = await sent({ ...recording, phone: '0911000002', replay: '2', replay_times: '1' });
  await customer.stop();
  // Three seconds of sound and two pauses of a second, then half a second of silence.
  assert.match(await ended(thrice), /^0911000001,[67],2,FarEnd$/);
  assert.match(await ended(onKey), /^0900000108,\d+,2,FarEnd$/);
  assert.match(await ended(noKey), /^0911000002,\d+,2,FarEnd$/);
  const heard = await Promise.all(['0911000001', '0900000108', '0911000002'].map(secondsHeard));
  // A packet that the machine delays too long is lost to the recording: a tenth of a second either way.
  for (const [index, seconds] of [3, 2, 1].entries())
    assert.ok(Math.abs((heard[index] ?? 0) - seconds) <= 0.1, `${heard.join(', ')} s instead of 3, 2, 1 s`);
  const [call] = await callsOf('0900000108');
  assert.match(call?.pressed ?? '', /^1/);
});

test('POST works like GET, over https too, and other methods do nothing', async () => {
  const body = new URLSearchParams({ ...USER, type: '1', phone: '0900000101', message: 'hi' });
  const posted = await fetch(`${platform.http}/send_voice.php`, { method: 'POST', body });
  const msgid = /^resp=(\d+),2$/.exec(await posted.text())?.[1];
  assert.equal(await ended(msgid ?? ''), '0900000101,0,0,Busy');
  const { stdout } = await run('curl', [
    '-sk',
    `${platform.https}/query_voice.php?username=test&password=1234&msgid=1`,
  ]);
  assert.equal(stdout, 'resp=-4');
  const put = await fetch(`${platform.http}/send_voice.php`, { method: 'PUT', body });
  assert.equal(put.status, 405);
  assert.equal(put.headers.get('allow'), 'GET, POST');
});

test('the ledger agrees with calls in it, and the statement shows them', async () => {
  const before = await points();
  const msgid = await sent({ phone: '0900000101', message: '飛'.repeat(400) });
  const reserved = before - (await points());
  assert.ok(reserved >= 4, String(reserved));
  assert.equal(await ended(msgid), '0900000101,0,0,Busy');
  assert.equal(await points(), before);
  const { stdout } = await feige('ledger', 'check', '--json');
  assert.deepEqual((JSON.parse(stdout) as { mismatches: unknown[] }).mismatches, []);
  const { stdout: statement } = await feige('account', 'statement', 'test', '--limit', '5', '--messages', '--json');
  assert.ok(statement.includes(msgid));
});
