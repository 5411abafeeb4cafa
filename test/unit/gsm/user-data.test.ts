/** User data as operators deliver it, well formed and not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeUserData } from '../../../src/gsm/user-data.ts';

function decode(hex: string, dataCoding: number, options: { udhi?: boolean; defaultAlphabet?: 'latin1' } = {}) {
  const { udhi = false, defaultAlphabet = 'gsm7' } = options;
  return decodeUserData({ dataCoding, udhi, bytes: Buffer.from(hex, 'hex'), defaultAlphabet });
}

test('each data_coding is read in its own alphabet', () => {
  const cases: [hex: string, dataCoding: number, text: string][] = [
    ['001b6548', 0, '@€H'],
    ['4869', 1, 'Hi'],
    ['e9', 3, 'é'],
    ['53f07063', 8, '台灣'],
    ['d840dc00', 8, '\u{20000}'],
    ['4e2d00', 8, '中'],
    ['bfd6', 6, 'Пж'],
    ['b0a1', 14, '가'],
    ['4e2d', 0x18, '中'],
    ['0041', 0x10, '@A'],
    ['4e2d', 0xe0, '中'],
    ['00', 0xf1, '@'],
    ['41ff', 0xf5, 'Aÿ'],
    ['41ff', 4, 'Aÿ'],
  ];
  for (const [hex, dataCoding, text] of cases)
    assert.equal(decode(hex, dataCoding).text, text, `${dataCoding}: ${hex}`);
  assert.equal(decode('40e9', 0, { defaultAlphabet: 'latin1' }).text, '@é');
});

test('a concatenation header of 8 or 16 bits is found among other elements', () => {
  assert.deepEqual(decode('0500030702014142', 0, { udhi: true }), {
    text: 'AB',
    concat: { reference: 7, total: 2, sequence: 1 },
  });
  assert.deepEqual(decode('060804123403024142', 0, { udhi: true }), {
    text: 'AB',
    concat: { reference: 0x1234, total: 3, sequence: 2 },
  });
  assert.deepEqual(decode('0b050415810000000309020141', 0, { udhi: true }), {
    text: 'A',
    concat: { reference: 9, total: 2, sequence: 1 },
  });
});

test('without the indicator the same bytes are text', () => {
  assert.deepEqual(decode('414243', 0), { text: 'ABC' });
});

test('a header that makes no sense is passed over and the text kept', () => {
  const cases: [hex: string, text: string][] = [
    ['', ''],
    ['0041', 'A'],
    ['0500030700014142', 'AB'],
    ['0500030702004142', 'AB'],
    ['0500030702034142', 'AB'],
    ['0500090702014142', 'AB'],
    ['040002070241', 'A'],
    ['010041', 'A'],
    ['7f4142', 'àAB'],
  ];
  for (const [hex, text] of cases) assert.deepEqual(decode(hex, 0, { udhi: true }), { text }, hex);
});

test('U+0000 never comes out', () => {
  assert.equal(decode('410042', 3).text, 'AB');
  assert.equal(decode('004100000042', 8).text, 'AB');
});

test('no bytes and no data_coding can make it throw', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300, size: 'max' }),
      fc.nat(0xff),
      fc.boolean(),
      fc.constantFrom('gsm7', 'latin1', 'ascii'),
      (bytes, dataCoding, udhi, defaultAlphabet) => {
        const { text, concat } = decodeUserData({ dataCoding, udhi, bytes, defaultAlphabet });
        assert.ok(!text.includes('\0') && text.length <= bytes.length);
        if (concat !== undefined) assert.ok(concat.sequence >= 1 && concat.sequence <= concat.total);
      },
    ),
    { numRuns: 2000 },
  );
});
