/** The 7-bit alphabet against TS 23.038's tables, and both directions against each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeSeptets, encodeSeptets, isGsm7, septetLength } from '../../../src/gsm/alphabet.ts';

const EXTENSION_CHARACTERS = '\f^{}\\[~]|€';
const gsmText = fc
  .array(
    fc
      .integer({ min: 0, max: 0x7f })
      .filter((septet) => septet !== 0x1b)
      .map((septet) => decodeSeptets(Uint8Array.of(septet)))
      .chain((basic) => fc.constantFrom(basic, ...EXTENSION_CHARACTERS.split(''))),
  )
  .map((characters) => characters.join(''));

test('the default alphabet has 127 characters beside the escape, each with the septet of the standard', () => {
  const all = decodeSeptets(Uint8Array.from({ length: 0x80 }, (_, septet) => septet).filter((s) => s !== 0x1b));
  assert.equal(new Set(all).size, 127);
  assert.deepEqual(
    [...encodeSeptets('@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ')],
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 29, 30, 31],
  );
  assert.deepEqual([...encodeSeptets('¡ÄÖÑÜ§¿äöñüà¤')], [64, 91, 92, 93, 94, 95, 96, 123, 124, 125, 126, 127, 36]);
  assert.equal(encodeSeptets('AZaz09 ').toString('latin1'), 'AZaz09 ');
});

test('an extension character is two septets, the escape and its own', () => {
  const septets = [0x0a, 0x14, 0x28, 0x29, 0x2f, 0x3c, 0x3d, 0x3e, 0x40, 0x65];
  assert.deepEqual(
    [...encodeSeptets(EXTENSION_CHARACTERS)],
    septets.flatMap((septet) => [0x1b, septet]),
  );
  assert.equal(septetLength(EXTENSION_CHARACTERS), 20);
  assert.equal(septetLength('abc€'), 5);
});

test('what the alphabet lacks is not GSM text', () => {
  for (const text of ['`', 'ç', '中', '\t', '\u001b', '\0', 'α', 'Α', '“', '\ud83d\ude00', 'ok中']) {
    assert.equal(isGsm7(text), false, JSON.stringify(text));
  }
  assert.equal(isGsm7(''), true);
  assert.equal(isGsm7(`Hello, ${EXTENSION_CHARACTERS}`), true);
  assert.throws(() => encodeSeptets('中'), RangeError);
});

test('octets that are no septets, and escapes without a meaning, are read by the standard', () => {
  assert.equal(decodeSeptets(Buffer.from([0x41, 0x80, 0xff])), 'A??');
  assert.equal(decodeSeptets(Buffer.from([0x41, 0x1b])), 'A ');
  assert.equal(decodeSeptets(Buffer.from([0x1b, 0x1b, 0x41])), ' A');
  assert.equal(decodeSeptets(Buffer.from([0x1b, 0x41])), 'A');
  assert.equal(decodeSeptets(Buffer.from([0x1b, 0x90])), '?');
});

test('text of the alphabet comes back from its septets, as many as were counted', () => {
  fc.assert(
    fc.property(gsmText, (text) => {
      assert.equal(isGsm7(text), true);
      const septets = encodeSeptets(text);
      assert.equal(septets.length, septetLength(text));
      assert.equal(decodeSeptets(septets), text);
    }),
  );
});

test('any octets can be read', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => decodeSeptets(bytes).length <= bytes.length));
});
