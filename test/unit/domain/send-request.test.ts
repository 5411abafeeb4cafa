/** The checks of a send request, each code for its cause, and the order among them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Code } from '../../../src/domain/codes.ts';
import { DEFAULT_PRICES, parsePrices } from '../../../src/domain/price.ts';
import { type SendParameters, type SendRules, type ValidSend, validateSend } from '../../../src/domain/send-request.ts';
import { formatTaipei } from '../../../src/domain/taipei-time.ts';

const prices = parsePrices(DEFAULT_PRICES);
assert.ok(!('error' in prices));
const nowMs = Date.UTC(2024, 0, 15, 4, 30, 0);
const rules: SendRules = { international: true, prices, nowMs };
const DAY_MS = 86_400_000;

function refusal(parameters: SendParameters, changed: Partial<SendRules> = {}): Code | 'accepted' {
  const verdict = validateSend({ mobile: '0911222333', message: 'Hi', ...parameters }, { ...rules, ...changed });
  return verdict.ok ? 'accepted' : verdict.code;
}

function accepted(parameters: SendParameters): ValidSend {
  const verdict = validateSend({ mobile: '0911222333', message: 'Hi', ...parameters }, rules);
  assert.ok(verdict.ok);
  return verdict.send;
}

test('a plain message goes at once, for eight hours, at one point', () => {
  assert.deepEqual(accepted({}), {
    mobile: { e164: '886911222333', domestic: true },
    body: 'Hi',
    encoding: 'gsm7',
    segments: 1,
    points: 1,
    dueAtMs: undefined,
    validitySeconds: 28_800,
    drurl: undefined,
    checkDrurl: false,
  });
});

test('a send time has to exist, lie ahead, and not beyond 365 days', () => {
  assert.equal(accepted({ sendtime: '202401151231' }).dueAtMs, nowMs + 60_000);
  assert.equal(accepted({ sendtime: formatTaipei(nowMs) }).dueAtMs, nowMs);
  assert.equal(accepted({ sendtime: formatTaipei(nowMs + 365 * DAY_MS) }).dueAtMs, nowMs + 365 * DAY_MS);
  assert.equal(refusal({ sendtime: formatTaipei(nowMs + 365 * DAY_MS + 1000) }), '00050');
  assert.equal(refusal({ sendtime: '202402301200' }), '00050');
  assert.equal(refusal({ sendtime: 'tomorrow' }), '00050');
  assert.equal(refusal({ sendtime: formatTaipei(nowMs - 1000) }), '00150');
  assert.equal(refusal({ sendtime: '201203121830' }), '00150');
});

test('an expiry time is a whole number from 300 to 28800', () => {
  assert.equal(accepted({ expirytime: '300' }).validitySeconds, 300);
  assert.equal(accepted({ expirytime: '28800' }).validitySeconds, 28_800);
  for (const expirytime of ['299', '28801', '0', '-300', '300.5', '3e2', '0x200', ' 300', 'abc', '99999999999']) {
    assert.equal(refusal({ expirytime }), '00060', expirytime);
  }
});

test('an empty parameter is an absent one', () => {
  const send = accepted({ sendtime: '', expirytime: '', drurl: '', lmsg: '' });
  assert.deepEqual(send, accepted({}));
  assert.equal(refusal({ mobile: '' }), '00100');
  assert.equal(refusal({ mobile: undefined }), '00100');
  assert.equal(refusal({ message: '' }), '00110');
  assert.equal(refusal({ message: undefined }), '00110');
});

test('emoji are refused, text symbols are not', () => {
  assert.equal(refusal({ message: 'Hi 😀' }), '00180');
  assert.equal(refusal({ message: '♀♂♥★☎▶♨' }), 'accepted');
});

test('up to five segments are sent and paid for', () => {
  assert.equal(accepted({ message: 'a'.repeat(765) }).points, 5);
  assert.equal(accepted({ message: '中'.repeat(335) }).points, 5);
  assert.equal(accepted({ message: '中'.repeat(71) }).segments, 2);
  assert.equal(refusal({ message: 'a'.repeat(766) }), '00130');
  assert.equal(refusal({ message: '中'.repeat(336) }), '00130');
});

test('lmsg=N, and nothing else, allows one segment only', () => {
  assert.equal(refusal({ message: '中'.repeat(71), lmsg: 'N' }), '00130');
  assert.equal(refusal({ message: '中'.repeat(70), lmsg: 'N' }), 'accepted');
  assert.equal(refusal({ message: '中'.repeat(71), lmsg: 'n' }), 'accepted');
});

test('abroad costs three points, needs permission, and takes no long message', () => {
  assert.equal(accepted({ mobile: '85291234567' }).points, 3);
  assert.equal(refusal({ mobile: '85291234567' }, { international: false }), '00031');
  assert.equal(refusal({ mobile: '85291234567', message: 'a'.repeat(161) }), '00120');
  assert.equal(refusal({ mobile: '85291234567', message: 'a'.repeat(161) }, { international: false }), '00031');
  assert.equal(refusal({ mobile: '85291234567', message: 'a'.repeat(999) }), '00120');
});

test('a drurl is an absolute http or https URL of at most 2,000 characters', () => {
  const cases: [drurl: string, url: string][] = [
    ['http://a.tw', 'http://a.tw/'],
    ['HTTPS://A.tw:8443/cb?x=1', 'https://a.tw:8443/cb?x=1'],
    ['http://127.0.0.1:9/cb', 'http://127.0.0.1:9/cb'],
    ['http://[2001:db8::1]/', 'http://[2001:db8::1]/'],
    ['http%3A%2F%2Fa.tw%2Fcb', 'http://a.tw/cb'],
    ['http://a.tw/回報#x', 'http://a.tw/%E5%9B%9E%E5%A0%B1'],
    [`http://a.tw/${'x'.repeat(1988)}`, `http://a.tw/${'x'.repeat(1988)}`],
  ];
  for (const [drurl, url] of cases) assert.equal(accepted({ drurl }).drurl, url);
  const refused = [
    'a.tw/cb',
    '/cb',
    'ftp://a.tw/',
    'javascript:alert(1)',
    'http:a.tw',
    'http:/a.tw',
    'http:///a.tw',
    'http://',
    'http://?x',
    'http://:80/',
    'http://u:p@a.tw/',
    'http://u@a.tw/',
    'http://:p@a.tw/',
    'http://a.tw:99999/',
    'http://a b.tw/',
    'http://a.tw/\nx',
    `http://a.tw/${'x'.repeat(1989)}`,
  ];
  for (const drurl of refused) assert.equal(refusal({ drurl }), '00140', drurl);
});

test('a drurl is checked unless drurl_check is N', () => {
  assert.equal(accepted({ drurl: 'http://a.tw' }).checkDrurl, true);
  assert.equal(accepted({ drurl: 'http://a.tw', drurlCheck: 'Y' }).checkDrurl, true);
  assert.equal(accepted({ drurl: 'http://a.tw', drurlCheck: 'n' }).checkDrurl, true);
  assert.equal(accepted({ drurl: 'http://a.tw', drurlCheck: 'N' }).checkDrurl, false);
  assert.equal(accepted({ drurlCheck: 'Y' }).checkDrurl, false);
});

test('of several mistakes the first in the order of the contract is answered', () => {
  const parameters: SendParameters = {
    sendtime: 'x',
    expirytime: 'x',
    mobile: 'x',
    message: '',
    drurl: 'x',
    lmsg: 'N',
  };
  const steps: [mended: SendParameters, code: Code | 'accepted'][] = [
    [{}, '00050'],
    [{ sendtime: '201203121830' }, '00150'],
    [{ sendtime: '' }, '00060'],
    [{ expirytime: '300' }, '00100'],
    [{ mobile: '85291234567' }, '00110'],
    [{ message: `😀${'中'.repeat(400)}` }, '00180'],
    [{ message: '中'.repeat(400) }, '00120'],
    [{ mobile: '0911222333' }, '00130'],
    [{ message: '中' }, '00140'],
    [{ drurl: 'http://a.tw' }, 'accepted'],
  ];
  for (const [mended, code] of steps) {
    Object.assign(parameters, mended);
    assert.equal(refusal(parameters), code, JSON.stringify(mended));
  }
});
