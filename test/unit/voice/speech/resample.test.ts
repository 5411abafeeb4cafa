import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toTelephone, toTelephoneInSlices } from '../../../../src/voice/speech/level.ts';
import { Resampler } from '../../../../src/voice/speech/resample.ts';

const AMPLITUDE = 20_000;

function tone(hz: number, rateHz: number, seconds: number): Int16Array {
  return Int16Array.from({ length: rateHz * seconds }, (_, index) =>
    Math.round(AMPLITUDE * Math.sin((2 * Math.PI * hz * index) / rateHz)),
  );
}

/** The level of a tone after conversion against before, the ends left out. */
function gainDb(resampler: Resampler, hz: number, rateHz: number): number {
  const output = resampler.convert(tone(hz, rateHz, 0.5), 400, 3200);
  const power = output.reduce((sum, sample) => sum + sample * sample, 0) / output.length;
  return 10 * Math.log10(power / (AMPLITUDE ** 2 / 2));
}

describe('conversion to 8,000 Hz', () => {
  for (const rateHz of [11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 44_101]) {
    it(`from ${rateHz} Hz passes speech unchanged and folds nothing above -40 dB back into it`, () => {
      const resampler = new Resampler(rateHz);
      for (const hz of [300, 1000, 2500, 3400]) assert.ok(Math.abs(gainDb(resampler, hz, rateHz)) < 0.1, `${hz} Hz`);
      for (let hz = 4000; hz < Math.min(rateHz / 2, 13_000); hz += 370) {
        const db = gainDb(resampler, hz, rateHz);
        assert.ok(db < -40, `${hz} Hz comes back at ${db.toFixed(1)} dB`);
      }
    });
  }

  it('keeps the time: what happens at one second is heard at one second', () => {
    const clicks = new Int16Array(2 * 22_050);
    clicks[22_050] = 30_000;
    const resampler = new Resampler(22_050);
    const output = resampler.convert(clicks, 0, resampler.outputLength(clicks.length));
    assert.equal(output.length, 16_000);
    assert.equal(output.indexOf(Math.max(...output)), 8000);
  });

  it('leaves 8,000 Hz as it is', () => {
    const samples = tone(440, 8000, 0.1);
    assert.deepEqual([...new Resampler(8000).convert(samples, 0, 800)], [...samples]);
  });

  it('refuses rates that are none', () => {
    for (const rateHz of [0, 1, -8000, 8000.5, 400_000, Number.NaN]) {
      assert.throws(() => new Resampler(rateHz), RangeError);
    }
  });
});

describe('level and volume', () => {
  it('is the same in slices as in one go', async () => {
    const levelling = { fromHz: 22_050, gain: 1.2, volume: 80 };
    const samples = tone(700, 22_050, 2);
    assert.deepEqual(await toTelephoneInSlices(samples, levelling), toTelephone(samples, levelling));
  });

  it('bends peaks instead of cutting or wrapping them', () => {
    const output = toTelephone(tone(300, 8000, 0.2), { fromHz: 8000, gain: 4, volume: 100 });
    const peak = output.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    assert.ok(peak > 30_000 && peak <= 32_767);
    const sine = tone(300, 8000, 0.2);
    assert.ok(output.every((sample, index) => Math.sign(sample) === Math.sign(sine[index] ?? 0)));
  });

  it('leaves what is below the limiter alone, and scales it by the volume', () => {
    const samples = Int16Array.of(0, 100, -10_000, 26_000);
    assert.deepEqual(toTelephone(samples, { fromHz: 8000, gain: 1, volume: 100 }), samples);
    assert.deepEqual(toTelephone(samples, { fromHz: 8000, gain: 1, volume: 50 }), Int16Array.of(0, 50, -5000, 13_000));
    assert.deepEqual(toTelephone(samples, { fromHz: 8000, gain: 1, volume: 0 }), new Int16Array(4));
  });
});
