import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SpeechRequest } from '../../../../src/voice/speech/driver.ts';
import { espeakPlan } from '../../../../src/voice/speech/espeak-plan.ts';

function plan(text: string, changes: Partial<SpeechRequest> = {}) {
  return espeakPlan({ text, voice: 1, speed: 0, volume: 100, ...changes });
}

function pieces(text: string): string[] {
  return plan(text).map(({ espeakVoice, text: said }) => `${espeakVoice.split('+')[0]}: ${said}`);
}

describe('the plan for eSpeak NG', () => {
  it('says each run of a script with the voice of its language', () => {
    assert.deepEqual(pieces('您好'), ['cmn: 您好']);
    assert.deepEqual(pieces("Hello, I'm here."), ["en-us: Hello, I'm here."]);
    assert.deepEqual(pieces('您的 Express Post，已到達 Taipei。謝謝'), [
      'cmn: 您的',
      'en-us: Express Post，',
      'cmn: 已到達',
      'en-us: Taipei。',
      'cmn: 謝謝',
    ]);
  });

  it('pauses between the pieces as the signs at their ends say, and not after the last', () => {
    const [none = 0, comma = 0, stop = 0, last = 0] = plan('一 a，二。b').map(({ pauseMs }) => pauseMs);
    assert.ok(0 < none && none < comma);
    assert.equal(plan('您好。 Hello').at(0)?.pauseMs, stop);
    assert.ok(comma < stop);
    assert.equal(last, 0);
  });

  it('doubles the rate at speed 10, halves it at -10, and shortens its pauses likewise', () => {
    assert.equal(plan('您好')[0]?.rate, 175);
    assert.equal(plan('您好', { speed: 10 })[0]?.rate, 350);
    assert.equal(plan('您好', { speed: -10 })[0]?.rate, 88);
    assert.equal(plan('您好，a', { speed: 10 })[0]?.pauseMs, 110);
  });

  it('has nothing to say of a text without words', () => {
    assert.deepEqual(plan(''), []);
    assert.deepEqual(plan('。，'), []);
  });
});
