import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  expectedSpeechMs,
  longestCallSeconds,
  MAX_CALL_SECONDS,
  roughSpeechMs,
} from '../../../src/domain/voice-length.ts';
import { mayCall, parseAllowedPrefixes, parsePhone } from '../../../src/domain/voice-phone.ts';
import {
  chargedSeconds,
  DEFAULT_VOICE_PRICES,
  parseVoicePrices,
  pointsForSeconds,
  tariffOf,
} from '../../../src/domain/voice-tariff.ts';
import { callStateOfRefusal } from '../../../src/domain/voice-codes.ts';
import { dialledNumber, parseTrunkSettings } from '../../../src/domain/trunk-settings.ts';

test('the default tariff is 2 points a started minute at home and 6 abroad', () => {
  const table = parseVoicePrices(DEFAULT_VOICE_PRICES);
  assert.ok(!('error' in table));
  assert.equal(pointsForSeconds(tariffOf(table, '886912123456'), 12), 2);
  assert.equal(pointsForSeconds(tariffOf(table, '886223456789'), 61), 4);
  assert.equal(pointsForSeconds(tariffOf(table, '85291234567'), 60), 6);
  assert.equal(pointsForSeconds(tariffOf(table, '886912123456'), 0), 0);
});

test('the longest prefix counts, and what is no tariff is refused by name', () => {
  const table = parseVoicePrices('886=1/6, 8869=3/60, *=9/1');
  assert.ok(!('error' in table));
  assert.deepEqual(tariffOf(table, '886912123456'), { points: 3, unitSeconds: 60 });
  assert.deepEqual(tariffOf(table, '886223456789'), { points: 1, unitSeconds: 6 });
  for (const bad of ['', '886=2', '886=2/0,*=1/1', '886=2/60', '*=1/60,*=2/60', '886=1/1,886=1/1,*=1/1', '*=1/3601']) {
    assert.ok('error' in parseVoicePrices(bad), bad);
  }
});

test('seconds are rounded up, at least 1 when answered', () => {
  assert.deepEqual([0, 1, 1_000, 1_001, 59_999].map(chargedSeconds), [1, 1, 1, 2, 60]);
});

test('the reservation grows with the text, the slowness and the replays, up to an hour', () => {
  const text = '這是語音簡訊發送測試';
  assert.ok(expectedSpeechMs(text, -10) === 2 * expectedSpeechMs(text, 0));
  assert.ok(expectedSpeechMs(text, 10) < expectedSpeechMs(text, 0));
  assert.ok(expectedSpeechMs('123456', 0) > 2_000);
  assert.equal(longestCallSeconds(10_000, { mode: 0, times: 9 }), 12);
  assert.equal(longestCallSeconds(10_000, { mode: 1, times: 3 }), 34);
  assert.equal(longestCallSeconds(10_000, { mode: 2, times: 1 }), 34);
  assert.equal(longestCallSeconds(600_000, { mode: 1, times: 9 }), MAX_CALL_SECONDS);
});

test('mobiles, landlines and numbers abroad are telephone numbers; special services are not', () => {
  assert.equal(parsePhone('0912-123-456')?.e164, '886912123456');
  assert.equal(parsePhone('(02) 2345-6789')?.e164, '886223456789');
  assert.equal(parsePhone('+886223456789')?.e164, '886223456789');
  assert.equal(parsePhone('037123456')?.e164, '88637123456');
  assert.equal(parsePhone('+85291234567')?.e164, '85291234567');
  for (const bad of ['', '110', '0204123456', '091212345', '02234567890', 'abc', '+886012345678', '9'.repeat(65)]) {
    assert.equal(parsePhone(bad), undefined, bad);
  }
});

test('the allow-list is prefixes with country code, or everything', () => {
  assert.deepEqual(parseAllowedPrefixes('886, 852'), ['886', '852']);
  assert.deepEqual(parseAllowedPrefixes('*'), ['']);
  assert.ok('error' in parseAllowedPrefixes('+886'));
  assert.equal(mayCall(['886'], '886912123456'), true);
  assert.equal(mayCall([''], '1'), true);
  assert.equal(mayCall([], '886912123456'), false);
});

test('486, 600 and 603 are Busy, every other refusal is NoAnswer', () => {
  assert.deepEqual([486, 600, 603].map(callStateOfRefusal), ['Busy', 'Busy', 'Busy']);
  for (const status of [404, 408, 410, 480, 484, 487, 604, 403]) assert.equal(callStateOfRefusal(status), 'NoAnswer');
});

test('a number is dialled in the form the trunk wants', () => {
  assert.equal(dialledNumber('national', '886912123456'), '0912123456');
  assert.equal(dialledNumber('national', '85291234567'), '0085291234567');
  assert.equal(dialledNumber('international', '886912123456'), '886912123456');
  assert.equal(dialledNumber('plus', '886912123456'), '+886912123456');
});

test('a trunk’s settings are completed with defaults, or every wrong one is named without its value', () => {
  const parsed = parseTrunkSettings({ host: 'pbx.test' });
  assert.ok(parsed.ok);
  assert.deepEqual(
    [parsed.settings.port, parsed.settings.transport, parsed.settings.answerTimeoutMs],
    [5060, 'udp', 4000],
  );
  const wrong = parseTrunkSettings({ port: 0, transport: 'sctp', password: 's3cret', colour: 'red' });
  assert.ok(!wrong.ok);
  assert.deepEqual(
    wrong.mistakes.map((mistake) => mistake.split(' ')[0]),
    ['host', 'port', 'transport', 'colour', 'username'],
  );
  assert.ok(!wrong.mistakes.join().includes('s3cret'));
});

test('the rough length is no shorter than the length of what is read aloud', () => {
  const texts = [
    '您的驗證碼是 482913，請於5分鐘內輸入。',
    '您好，您於2026/11/22消費NT$12,345元，如有疑問請撥0800-123-456。',
    'Your one-time code is 482913. It is valid for 5 minutes.',
    'https://example.com/a/b?c=1 請點擊',
    '溫度 -3.5°C，濕度 80%',
    '1234567890'.repeat(3),
  ];
  for (const text of texts) assert.ok(roughSpeechMs(text, 0) >= expectedSpeechMs(text, 0), text);
});
