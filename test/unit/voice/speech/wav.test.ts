import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseSpeechWav } from '../../../../src/voice/speech/wav.ts';
import { makeWav } from './sample-wav.ts';

const SAMPLES = [0, 1, -1, 32_767, -32_768, 1234];

describe("a speech engine's WAV", () => {
  it('is read at any rate', () => {
    const wav = parseSpeechWav(makeWav(SAMPLES, { rateHz: 22_050 }));
    assert.ok(wav.ok);
    assert.equal(wav.fromHz, 22_050);
    assert.deepEqual([...wav.samples], SAMPLES);
  });

  it('becomes mono by the mean of two channels', () => {
    const wav = parseSpeechWav(makeWav([100, 300, -5, -7], { rateHz: 48_000, channels: 2 }));
    assert.ok(wav.ok);
    assert.deepEqual([...wav.samples], [200, -6]);
  });

  it('may be streamed with sizes nobody knew, and have other chunks of odd length before the data', () => {
    for (const dataSize of [0, 0xffff_ffff, 0x7fff_ff00]) {
      const wav = parseSpeechWav(
        makeWav(SAMPLES, { rateHz: 16_000, dataSize, before: Buffer.from('LIST\x03\0\0\0abc\0', 'latin1') }),
      );
      assert.ok(wav.ok);
      assert.deepEqual([...wav.samples], SAMPLES);
    }
  });

  it('ends at the end of its data chunk', () => {
    const wav = parseSpeechWav(
      Buffer.concat([makeWav(SAMPLES, { rateHz: 8000 }), Buffer.from('LIST\x02\0\0\0ab', 'latin1')]),
    );
    assert.ok(wav.ok);
    assert.equal(wav.samples.length, SAMPLES.length);
  });

  it('is refused when it is cut off, so that nobody hears half of it', () => {
    const wav = parseSpeechWav(makeWav(SAMPLES, { rateHz: 8000 }).subarray(0, -3));
    assert.deepEqual(wav, { ok: false, reason: 'cut off' });
  });

  it('is refused with a reason when it is something else', () => {
    const mp3 = Buffer.from('ID3\x04 something');
    const floats = makeWav(SAMPLES, { rateHz: 8000, tag: 3 });
    const bytes = makeWav(SAMPLES, { rateHz: 8000, bits: 8 });
    const fast = makeWav(SAMPLES, { rateHz: 1_000_000 });
    const cut = makeWav(SAMPLES, { rateHz: 8000 }).subarray(0, 30);
    for (const wrong of [Buffer.alloc(0), mp3, floats, bytes, fast, cut]) {
      const wav = parseSpeechWav(wrong);
      assert.ok(!wav.ok && wav.reason.length > 0);
    }
  });

  it('never makes the reader throw, however it is damaged', () => {
    const whole = makeWav(SAMPLES, { rateHz: 22_050 });
    fc.assert(
      fc.property(
        fc.nat(whole.length),
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255))),
        (length, changes) => {
          const damaged = Buffer.from(whole.subarray(0, length));
          for (const [at, byte] of changes) if (at < length) damaged[at] = byte;
          const wav = parseSpeechWav(damaged);
          assert.ok(!wav.ok || wav.samples.length <= length / 2);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
