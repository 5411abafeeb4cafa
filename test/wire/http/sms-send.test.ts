import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { CODES } from '../../../src/domain/codes.ts';
import { movePoints } from '../../../src/store/ledger.ts';
import { NOON_MS, type Platform, startPlatform } from './platform.ts';

let platform: Platform;
/** Answers /ok with 200, everything else with 404. */
let customer: Server;
let customerUrl = '';

before(async () => {
  platform = await startPlatform();
  await platform.addAccount('test', { settings: { sourceAddress: '0911000000' } });
  await platform.addAccount('abroad', { settings: { international: true } });
  await platform.addAccount('poor', { points: 0 });
  await platform.addAccount('disabled', { settings: { state: 'disabled', api: false } });
  await platform.addAccount('noapi', { settings: { api: false, ipAllow: ['192.0.2.1'] } });
  await platform.addAccount('badip', { settings: { ipAllow: ['192.0.2.1', '2001:db8::/32'] } });
  await platform.addAccount('goodip', { settings: { ipAllow: ['127.0.0.0/8'] } });
  await platform.addAccount('big5', { settings: { textEncoding: 'big5' } });
  await platform.addAccount('once', { settings: { doubleEncoding: 'never' } });
  customer = createServer((request, response) => response.writeHead(request.url?.startsWith('/ok') ? 200 : 404).end());
  customer.listen(0, '127.0.0.1');
  await once(customer, 'listening');
  customerUrl = `http://127.0.0.1:${(customer.address() as AddressInfo).port}`;
});
after(async () => {
  await platform.stop();
  customer.closeAllConnections();
  customer.close();
});
beforeEach(() => {
  platform.accepted.length = 0;
  platform.acceptOutcome = () => ({ kind: 'accepted', msgid: 222_160_591 });
});

const GOOD = { mobile: '0911222333', message: 'hello' };

async function codeOf(parameters: Record<string, string>): Promise<unknown> {
  const response = await platform.get('sms_send', parameters);
  assert.equal(response.status, 200);
  const { code, text, msgid } = response.json();
  assert.equal(text, CODES[code as keyof typeof CODES]);
  assert.equal(typeof msgid, code === '00000' ? 'number' : 'undefined');
  return code;
}

test('an accepted message is answered as in the sample: ASCII JSON with a number for msgid', async () => {
  const response = await platform.get('sms_send', GOOD);
  assert.equal(response.status, 200);
  assert.equal(response.headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(response.body, '{"code":"00000","text":"Success","msgid":222160591}');
  assert.equal(platform.accepted.length, 1);
  const { accountId, accountVersion, ...message } = platform.accepted[0] ?? assert.fail();
  assert.ok(accountId > 0 && accountVersion > 0);
  assert.deepEqual(message, {
    mobile: '886911222333',
    body: 'hello',
    segments: 1,
    points: 1,
    dueAtMs: undefined,
    validitySeconds: 28_800,
    drurl: undefined,
    sourceAddress: '0911000000',
  });
});

test('an error is answered with the text of the contract in ASCII JSON, without msgid', async () => {
  const response = await platform.get('sms_send', { ...GOOD, mobile: '' });
  assert.equal(response.body, '{"code":"00100","text":"\\u624b\\u6a5f\\u865f\\u78bc\\u683c\\u5f0f\\u932f\\u8aa4"}');
});

const FAR = '447700900123';
const CASES: [string, string, Record<string, string>][] = [
  ['00010', 'no username', { username: '' }],
  ['00010', 'a password of three characters', { password: '123' }],
  ['00011', 'an unknown username', { username: 'nobody' }],
  ['00012', 'a wrong password', { password: '4321' }],
  ['00040', 'a disabled account, its API off too', { username: 'disabled' }],
  ['00041', 'an account whose API is off, its address forbidden too', { username: 'noapi' }],
  ['00030', 'an address that is not allowed', { username: 'badip', sendtime: 'x' }],
  ['00000', 'an address that is allowed', { username: 'goodip' }],
  ['00050', 'a sendtime that is none', { sendtime: '202613011200', expirytime: '1' }],
  ['00150', 'a sendtime that has passed', { sendtime: '202611221159', expirytime: '1' }],
  ['00060', 'an expirytime out of range', { expirytime: '299', mobile: 'x' }],
  ['00100', 'a landline', { mobile: '0223456789', message: '' }],
  ['00110', 'no message', { message: '' }],
  ['00180', 'an emoji', { message: 'hi 😀' }],
  ['00031', 'a number abroad for an account that may not', { mobile: FAR, message: 'x'.repeat(161) }],
  ['00120', 'a long message abroad', { username: 'abroad', mobile: FAR, message: 'x'.repeat(161) }],
  ['00000', 'a message abroad', { username: 'abroad', mobile: FAR }],
  ['00130', 'six segments', { message: 'x'.repeat(766), drurl: 'x' }],
  ['00130', 'two segments with lmsg=N', { message: 'x'.repeat(161), lmsg: 'N' }],
  ['00140', 'a drurl that is no URL', { drurl: 'ftp://example.com/' }],
  ['00140', 'a drurl with a literal address of a private network', { drurl: 'http://10.0.0.1/', drurl_check: 'N' }],
  ['00020', 'no points, with a drurl that would fail', { username: 'poor', drurl: 'http://127.0.0.1:1/' }],
];
for (const [code, what, parameters] of CASES) {
  test(`${code}: ${what}`, async () => {
    assert.equal(await codeOf({ ...GOOD, ...parameters }), code);
    assert.equal(platform.accepted.length, code === '00000' ? 1 : 0);
  });
}

test('00170: a drurl that does not answer 200, unless drurl_check=N', async () => {
  assert.equal(await codeOf({ ...GOOD, drurl: `${customerUrl}/missing` }), '00170');
  assert.equal(await codeOf({ ...GOOD, drurl: `${customerUrl}/missing`, drurl_check: 'N' }), '00000');
  assert.equal(await codeOf({ ...GOOD, drurl: `${customerUrl}/ok?a=1` }), '00000');
  assert.equal(platform.accepted.at(-1)?.drurl, `${customerUrl}/ok?a=1`);
});

test('what acceptance says becomes 00020, 99998 or 99999', async () => {
  const outcomes = { 'insufficient-points': '00020', 'not-stored': '99998', unreachable: '99999' } as const;
  for (const [kind, code] of Object.entries(outcomes)) {
    platform.acceptOutcome = () => ({ kind: kind as keyof typeof outcomes });
    assert.equal(await codeOf(GOOD), code, kind);
  }
});

test('when nobody knows whether a message was stored, the connection is closed without an answer', async () => {
  platform.acceptOutcome = () => ({ kind: 'unresolved' });
  await assert.rejects(platform.get('sms_send', GOOD), { code: 'ECONNRESET' });
  platform.acceptOutcome = () => Promise.reject(new Error('a fault after the statement'));
  await assert.rejects(platform.get('sms_send', GOOD), { code: 'ECONNRESET' });
});

test('a message is judged again when its account was changed meanwhile, and given up after the third time', async () => {
  let changes = 0;
  platform.acceptOutcome = () => (++changes < 3 ? { kind: 'account-changed' } : { kind: 'accepted', msgid: 1 });
  assert.equal(await codeOf(GOOD), '00000');
  assert.equal(platform.accepted.length, 3);
  platform.acceptOutcome = () => ({ kind: 'account-changed' });
  assert.equal(await codeOf(GOOD), '99998');
  assert.equal(platform.accepted.length, 6);
});

test('a top-up holds at once', async () => {
  assert.equal(await codeOf({ ...GOOD, username: 'poor' }), '00020');
  await movePoints(platform.database, { username: 'poor', kind: 'topup', points: 5, note: null });
  assert.equal(await codeOf({ ...GOOD, username: 'poor' }), '00000');
});

test('parameters come in the query of a POST, in an urlencoded or multipart body, and the body wins', async () => {
  const credentials = 'username=test&password=1234';
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const multipart = { 'Content-Type': 'multipart/form-data; boundary=b' };
  const field = '--b\r\nContent-Disposition: form-data; name="message"\r\n\r\n四\r\n--b--\r\n';
  const path = '/json/sms_send.php';
  const query = `${path}?${credentials}&mobile=0911222333&message=one`;
  const bodies = [
    await platform.ask(query, { method: 'POST' }),
    await platform.ask(query, { method: 'POST', headers: form, body: 'message=two' }),
    await platform.ask(path, { method: 'POST', headers: form, body: `${credentials}&mobile=0911222333&message=three` }),
    await platform.ask(query, { method: 'POST', headers: multipart, body: field }),
    await platform.ask(query, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' }),
    await platform.ask(query, { method: 'POST', headers: { 'Content-Type': 'text/plain; charset=utf-8' }, body: '[]' }),
    await platform.ask(query, { method: 'POST', body: 'message=seven' }),
  ];
  for (const body of bodies) assert.equal(body.json().code, '00000', body.body);
  const texts = platform.accepted.map((message) => message.body);
  assert.deepEqual(texts, ['one', 'two', 'three', '四', 'one', 'one', 'seven']);
});

test('UTF-8, Big5, raw and doubly encoded messages arrive as text, by the account’s settings', async () => {
  const path = '/json/sms_send.php?password=1234&mobile=0911222333&username=';
  const asked: [string, string][] = [
    ['test&message=%E4%BD%A0%E5%A5%BD', '你好'],
    ['test&message=%A7A%A6n', '你好'],
    ['test&message=%25E4%25BD%25A0%25E5%25A5%25BD', '你好'],
    ['once&message=%25E4%25BD%25A0', '%E4%BD%A0'],
    ['big5&message=%A7A%A6n', '你好'],
    ['test&message=a%0D%0Ab+c', 'a\nb c'],
    ['test&message=a%09b', 'a b'],
  ];
  for (const [rest, text] of asked) {
    assert.equal((await platform.ask(path + rest)).json().code, '00000');
    assert.equal(platform.accepted.at(-1)?.body, text, rest);
  }
});

test('sendtime, expirytime and the price of a long message reach acceptance', async () => {
  assert.equal(
    await codeOf({ ...GOOD, message: '長'.repeat(71), sendtime: '202611221230', expirytime: '300' }),
    '00000',
  );
  const { segments, points, dueAtMs, validitySeconds } = platform.accepted[0] ?? assert.fail();
  assert.deepEqual([segments, points, dueAtMs, validitySeconds], [2, 2, NOON_MS + 30 * 60_000, 300]);
});

test('answers are counted by code', async () => {
  const before = platform.metrics.answers.of('sms_send', '00110').value;
  await codeOf({ ...GOOD, message: '' });
  assert.equal(platform.metrics.answers.of('sms_send', '00110').value, before + 1);
  assert.match(
    await platform.metrics.registry.metrics(),
    /feige_answers_total\{endpoint="sms_send",code="00110"\} [1-9]/,
  );
});
