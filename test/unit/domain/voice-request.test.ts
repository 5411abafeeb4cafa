import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type VoiceParameters, validateVoice } from '../../../src/domain/voice-request.ts';

const RULES = { international: true, allowedPrefixes: ['886', '852'] };
const GOOD: VoiceParameters = { type: '1', phone: '0912123456', message: '您好' };

function judge(more: VoiceParameters, rules = RULES): string | undefined {
  const verdict = validateVoice({ ...GOOD, ...more }, rules);
  return verdict.ok ? undefined : verdict.code;
}

test('what is not given gets the contract’s defaults', () => {
  const verdict = validateVoice(GOOD, RULES);
  assert.ok(verdict.ok);
  assert.deepEqual(verdict.call, {
    phone: { e164: '886912123456', domestic: true },
    body: '您好',
    speech: { voice: 1, speed: 0, volume: 100 },
    voiceUrl: undefined,
    replay: { mode: 0, times: 1 },
    response: undefined,
  });
});

test('type 2 ignores voice, speed and vol and takes a blank message', () => {
  const parameters = {
    ...GOOD,
    type: '2',
    message: '',
    voice: '9',
    speed: '99',
    vol: 'x',
    voiceUrl: 'http://a.test/b.wav',
  };
  const verdict = validateVoice(parameters, RULES);
  assert.ok(verdict.ok && verdict.call.speech === undefined);
  assert.equal(verdict.call.voiceUrl, 'http://a.test/b.wav');
});

test('bounds are inclusive, and a plus sign that became a blank is none', () => {
  for (const speed of ['-10', '10', ' 10', '+3', '-0']) assert.equal(judge({ speed }), undefined, speed);
  for (const speed of ['-11', '11', '1.5', '0x5', '１']) assert.equal(judge({ speed }), '-14', speed);
  for (const vol of ['0', '100']) assert.equal(judge({ vol }), undefined, vol);
  assert.equal(judge({ message: '飛'.repeat(1_000) }), undefined);
  assert.equal(judge({ message: '𠮷'.repeat(1_000) }), undefined);
  assert.equal(judge({ message: '飛'.repeat(1_001) }), '-9');
});

test('abroad is for accounts that may send there, and only to allowed prefixes', () => {
  assert.equal(judge({ phone: '85291234567' }), undefined);
  assert.equal(judge({ phone: '85291234567' }, { ...RULES, international: false }), '-8');
  assert.equal(judge({ phone: '81312345678' }), '-8');
});

test('a response that cannot be called back is dropped, one that can is kept as the URL standard writes it', () => {
  const responseOf = (response: string): string | undefined => {
    const verdict = validateVoice({ ...GOOD, response }, RULES);
    return verdict.ok ? verdict.call.response : 'refused';
  };
  assert.equal(responseOf('http://127.0.0.1/GetRes.php'), 'http://127.0.0.1/GetRes.php');
  assert.equal(responseOf('HTTPS%3A%2F%2Fa.test%2Fb%3Fc=1'), 'https://a.test/b?c=1');
  assert.equal(responseOf('http://a.test/b#c'), 'http://a.test/b');
  for (const bad of ['', 'hello', 'ftp://a.test/', 'http://u:p@a.test/', `http://a.test/${'a'.repeat(2_000)}`]) {
    assert.equal(responseOf(bad), undefined, bad);
  }
});
