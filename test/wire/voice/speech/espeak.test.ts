import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { SpeechDriver, SpeechFailure, SpeechRequest } from '../../../../src/voice/speech/driver.ts';
import { EspeakSpeech } from '../../../../src/voice/speech/espeak.ts';
import { openSpeech } from '../../../../src/voice/speech/open.ts';
import { bestMatch, medianPitchHz, rms } from './measure.ts';

const CHINESE = '這是語音簡訊發送測試，您的包裹已經送達門市。';
const ENGLISH = 'Your parcel has arrived at the store. Please pick it up before Friday evening.';

function request(text: string, changes: Partial<SpeechRequest> = {}): SpeechRequest {
  return { text, voice: 1, speed: 0, volume: 100, ...changes };
}

describe('eSpeak NG behind the speech interface', () => {
  let speech: SpeechDriver;
  before(() => {
    speech = openSpeech({ driver: 'espeak' }, { cacheBytes: 0 });
  });
  after(() => speech.stop());

  it('has three women and a man whose pitches are at least two semitones apart, in Chinese and in English', async () => {
    for (const text of [CHINESE, ENGLISH]) {
      const pitches: number[] = [];
      for (const voice of [1, 2, 3, 4] as const)
        pitches.push(medianPitchHz(await speech.synthesize(request(text, { voice }))));
      const [first = 0, second = 0, third = 0, man = 0] = pitches;
      const said = pitches.map((hz) => hz.toFixed(0)).join(', ');
      const semitones = 2 ** (2 / 12);
      assert.ok(second > first * semitones && first > third * semitones && third > man * semitones, said);
      assert.ok(third > 155 && second < 280, `women: ${said}`);
      assert.ok(man > 80 && man < 130, `man: ${said}`);
    }
  });

  it('is about as loud with every voice and language', async () => {
    for (const text of [CHINESE, ENGLISH]) {
      for (const voice of [1, 2, 3, 4] as const) {
        const level = rms(await speech.synthesize(request(text, { voice })));
        assert.ok(level > 3000 && level < 4800, `voice ${voice}: ${level.toFixed(0)}`);
      }
    }
  });

  it('speaks faster with every step of speed, four times from end to end', async () => {
    const lengths: number[] = [];
    for (let speed = -10; speed <= 10; speed++)
      lengths.push((await speech.synthesize(request(CHINESE, { speed }))).length);
    for (let index = 1; index < lengths.length; index++) {
      assert.ok((lengths[index] ?? 0) < (lengths[index - 1] ?? 0), `speed ${index - 10}: ${lengths.join(' ')}`);
    }
    const ratio = (lengths[0] ?? 0) / (lengths.at(-1) ?? 1);
    assert.ok(ratio > 3.4 && ratio < 5, `${ratio}`);
  });

  it('is louder with every step of volume, from silence', async () => {
    const levels: number[] = [];
    for (let volume = 0; volume <= 100; volume += 10)
      levels.push(rms(await speech.synthesize(request(CHINESE, { volume }))));
    assert.equal(levels[0], 0);
    levels.forEach((level, index) => {
      if (index > 0) assert.ok(level > (levels[index - 1] ?? 0), levels.join(' '));
    });
  });

  it('reads Traditional Chinese like Simplified, word for word', async () => {
    const man = { voice: 4 } as const;
    const traditional = await speech.synthesize(request('請於開會後領取證件，謝謝您的購買。', man));
    const simplified = await speech.synthesize(request('请于开会后领取证件，谢谢您的购买。', man));
    const other = await speech.synthesize(request('今天下午五點半，我們在車站門口見面。', man));
    assert.ok(Math.abs(traditional.length - simplified.length) < 0.02 * traditional.length);
    const [shorter, longer] =
      traditional.length < simplified.length ? [traditional, simplified] : [simplified, traditional];
    assert.ok(bestMatch(shorter, longer) > 0.9);
    assert.ok(bestMatch(traditional.subarray(0, 8000), other) < 0.7);
  });

  it('says English inside a Chinese message as it says it alone', async () => {
    const english = await speech.synthesize(request('Taipei Station', { voice: 4 }));
    const mixed = await speech.synthesize(request('您好 Taipei Station 謝謝', { voice: 4 }));
    const chinese = await speech.synthesize(request('您好，請問臺北車站在哪裡，謝謝', { voice: 4 }));
    assert.ok(bestMatch(english, mixed) > 0.9);
    assert.ok(bestMatch(english, chinese) < 0.6);
  });

  it('reads a code digit by digit, not as a quantity', async () => {
    const code = await speech.synthesize(request('驗證碼123456'));
    const digits = await speech.synthesize(request('驗證碼一二三四五六'));
    const amount = await speech.synthesize(request('共123456元'));
    assert.ok(Math.abs(code.length - digits.length) < 0.02 * digits.length);
    assert.ok(amount.length > 1.2 * code.length);
  });

  it('reads 1,000 characters, and answers half a second of silence for a text without words', async () => {
    const long = await speech.synthesize(
      request('您好，這是語音簡訊發送測試，您的包裹已經送達門市。'.repeat(40).slice(0, 1000)),
    );
    assert.ok(long.length > 200 * 8000);
    assert.deepEqual(await speech.synthesize(request('★★★')), new Int16Array(4000));
  });

  it('refuses what was to be refused at acceptance', async () => {
    for (const wrong of [request('字'.repeat(1001)), request('字', { speed: 11 }), request('字', { volume: -1 })]) {
      await assert.rejects(speech.synthesize(wrong), (error: SpeechFailure) => error.kind === 'refused');
    }
  });
});

/** Children that behave like eSpeak NG until a text tells them otherwise. */
const MOODY_CHILD = `
process.on('disconnect', () => process.exit(0));
process.on('message', ({ job, pieces }) => {
  const text = pieces[0].text;
  if (text === '當掉') process.exit(3);
  if (text === '卡住') for (;;);
  if (text === '失敗') process.send({ kind: 'failed', job, reason: 'told to' });
  else process.send({ kind: 'made', job, samples: Int16Array.of(process.pid & 0x7fff, text.length) });
});
process.send({ kind: 'ready' });
`;

describe('a speech process that breaks', () => {
  let directory = '';
  let speech: EspeakSpeech;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'feige-speech-'));
    const childFile = join(directory, 'child.mjs');
    await writeFile(childFile, MOODY_CHILD);
    speech = new EspeakSpeech({ childFile, timeoutMs: 1000, maxWaiting: 3 });
  });
  after(async () => {
    await speech.stop();
    await rm(directory, { recursive: true });
  });

  for (const [text, kind] of [
    ['當掉', 'crashed'],
    ['失敗', 'crashed'],
    ['卡住', 'timed-out'],
  ] as const) {
    it(`costs the one message its speech (${kind}), and the next one gets a new process`, async () => {
      const [broken, next] = await Promise.allSettled([
        speech.synthesize(request(text)),
        speech.synthesize(request('您好')),
      ]);
      assert.ok(broken.status === 'rejected');
      assert.equal((broken.reason as SpeechFailure).kind, kind);
      assert.ok(next.status === 'fulfilled');
      assert.equal(next.value[1], 2);
    });
  }

  it('stays for the next message when it did not break', async () => {
    const [first] = await speech.synthesize(request('一'));
    const [second] = await speech.synthesize(request('二'));
    assert.equal(first, second);
  });

  it('makes others wait only within a bound', async () => {
    const asked = Array.from({ length: 5 }, () => speech.synthesize(request('您好')));
    const results = await Promise.allSettled(asked);
    assert.deepEqual(
      results.map((result) => (result.status === 'fulfilled' ? 'made' : (result.reason as SpeechFailure).kind)),
      ['made', 'made', 'made', 'made', 'busy'],
    );
  });

  it('is gone after stop, in the middle of a message too', async () => {
    const childFile = join(directory, 'child.mjs');
    const stopping = new EspeakSpeech({ childFile, timeoutMs: 30_000 });
    await stopping.synthesize(request('您好'));
    const [pid = 0] = stopping.pids;
    const hanging = stopping.synthesize(request('卡住'));
    const waiting = stopping.synthesize(request('您好'));
    const failures = Promise.allSettled([hanging, waiting]);
    await stopping.stop();
    for (const result of await failures) {
      assert.ok(result.status === 'rejected' && (result.reason as SpeechFailure).kind === 'stopped');
    }
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  });
});
