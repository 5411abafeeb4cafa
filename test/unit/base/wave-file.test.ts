/** A WAVE file's format and samples are found, whatever stands around them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readWave, WAVE_TAG, writeWav } from '../../../src/base/wave-file.ts';

test('what was written is read back, at any rate', () => {
  fc.assert(
    fc.property(
      fc.int16Array({ minLength: 1, maxLength: 400 }),
      fc.integer({ min: 1, max: 96_000 }),
      (samples, rate) => {
        const wave = readWave(writeWav(samples, rate));
        assert.ok(wave.kind === 'wave');
        assert.deepEqual(wave.format, {
          tag: WAVE_TAG.pcm,
          channels: 1,
          sampleRate: rate,
          blockAlign: 2,
          bitsPerSample: 16,
        });
        const read = Int16Array.from(samples, (_, index) => wave.data.readInt16LE(2 * index));
        assert.deepEqual([read, wave.data.length], [samples, samples.byteLength]);
      },
    ),
  );
});

test('the header is the canonical one of 44 octets', () => {
  assert.equal(
    writeWav(Int16Array.of(1, -2)).toString('hex'),
    `${Buffer.from('RIFF').toString('hex')}28000000${Buffer.from('WAVEfmt ').toString('hex')}10000000` +
      `01000100401f0000803e000002001000${Buffer.from('data').toString('hex')}04000000${'0100feff'}`,
  );
});

test('a file without samples is a WAVE file', () => {
  const wave = readWave(writeWav(new Int16Array(0)));
  assert.ok(wave.kind === 'wave' && wave.data.length === 0);
});
