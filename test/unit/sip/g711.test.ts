/** A-law and µ-law are the standard's, to the bit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeG711, encodeG711, type G711PayloadType, PCMA, PCMU, silenceOctet } from '../../../src/sip/g711.ts';

const LAWS: readonly G711PayloadType[] = [PCMU, PCMA];

function decodeOne(law: G711PayloadType, octet: number): number {
  return decodeG711(law, Uint8Array.of(octet))[0] ?? Number.NaN;
}

function encodeOne(law: G711PayloadType, sample: number): number {
  return encodeG711(law, Int16Array.of(sample))[0] ?? Number.NaN;
}

test('octets at the ends of the scale mean what Tables 1a to 2b of G.711 say', () => {
  const aLaw = [0xd5, 0x55, 0xaa, 0x2a, 0x80, 0x00].map((octet) => decodeOne(PCMA, octet));
  assert.deepEqual(aLaw, [8, -8, 32_256, -32_256, 5_504, -5_504]);
  const muLaw = [0xff, 0x7f, 0x80, 0x00, 0xf0, 0x70].map((octet) => decodeOne(PCMU, octet));
  assert.deepEqual(muLaw.map(Math.abs), [0, 0, 32_124, 32_124, 120, 120]);
  assert.deepEqual(muLaw.map(Math.sign).slice(2), [1, -1, 1, -1]);
});

test('the decision values of the tables part the codes', () => {
  // Table 1a: x1 = 2, x32 = 64, x127 = 3,968 of 4,096; a step of 1 is 8 here.
  for (const [value, below, from] of [
    [2, 0xd5, 0xd4],
    [64, 0xca, 0xf5],
    [3968, 0xab, 0xaa],
  ] as const) {
    assert.equal(encodeOne(PCMA, value * 8 - 1), below, `just below A-law ${value}`);
    assert.equal(encodeOne(PCMA, value * 8), from, `A-law ${value}`);
  }
  // Table 2a: x1 = 1, x2 = 3, x17 = 35, x127 = 7,903 of 8,159; a step of 1 is 4 here.
  for (const [value, below, from] of [
    [1, 0xff, 0xfe],
    [3, 0xfe, 0xfd],
    [35, 0xef, 0xee],
    [7903, 0x81, 0x80],
  ] as const) {
    assert.equal(encodeOne(PCMU, value * 4 - 1), below, `just below µ-law ${value}`);
    assert.equal(encodeOne(PCMU, value * 4), from, `µ-law ${value}`);
  }
});

test('the digital milliwatt of Tables 5 and 6 is a sine of 1 kHz at 0 dBm0', () => {
  const sequences: [G711PayloadType, string, number][] = [
    [PCMA, '34212134b4a1a1b4', 3.14],
    [PCMU, '1e0b0b1e9e8b8b9e', 3.17],
  ];
  for (const [law, hex, headroomDb] of sequences) {
    const samples = [...decodeG711(law, Buffer.from(hex, 'hex'))];
    const peak = Math.sqrt((2 * samples.reduce((sum, sample) => sum + sample * sample, 0)) / samples.length);
    const fullScale = law === PCMA ? 4096 * 8 : 8159 * 4;
    assert.ok(Math.abs(20 * Math.log10(fullScale / peak) - headroomDb) < 0.05, `peak ${peak}`);
    assert.deepEqual(
      samples.map((sample) => Math.sign(sample)),
      [-1, -1, -1, -1, 1, 1, 1, 1],
    );
  }
});

test('every octet comes back as itself, µ-law negative zero as zero', () => {
  for (let octet = 0; octet < 256; octet += 1) {
    assert.equal(encodeOne(PCMA, decodeOne(PCMA, octet)), octet);
    assert.equal(encodeOne(PCMU, decodeOne(PCMU, octet)), octet === 0x7f ? 0xff : octet);
  }
});

test('coding twice changes nothing more than coding once', () => {
  const samplesOf = fc.int16Array({ maxLength: 400 });
  fc.assert(
    fc.property(fc.constantFrom(...LAWS), samplesOf, (law, samples) => {
      const once = decodeG711(law, encodeG711(law, samples));
      assert.deepEqual(decodeG711(law, encodeG711(law, once)), once);
    }),
    { numRuns: 1000 },
  );
});

test('of all samples none is off by more than half a step, and louder never becomes softer', () => {
  for (const law of LAWS) {
    const loudest = law === PCMA ? 32_256 : 32_124;
    let before = -32_768;
    for (let sample = -32_768; sample <= 32_767; sample += 1) {
      const heard = decodeOne(law, encodeOne(law, sample));
      const magnitude = Math.min(Math.abs(sample), loudest);
      // A segment has 16 steps and begins at 16.5 of them above the bias; near zero A-law's half step is 8.
      const halfStep = Math.max(8, (magnitude + 132) / 32);
      assert.ok(Math.abs(Math.abs(heard) - magnitude) <= halfStep, `${sample} became ${heard}`);
      assert.ok(heard >= before, `${sample} became ${heard} after ${before}`);
      before = heard;
    }
  }
});

test('silence is the octet of zero', () => {
  assert.equal(silenceOctet(PCMA), 0xd5);
  assert.equal(silenceOctet(PCMU), 0xff);
});
