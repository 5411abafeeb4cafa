/** Lengths at every boundary, and the layout of each segment on the wire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeSeptets, septetLength } from '../../../src/gsm/alphabet.ts';
import { encodeSegments, MAX_SEGMENTS, measure, splitText } from '../../../src/gsm/segments.ts';
import { decodeUserData } from '../../../src/gsm/user-data.ts';

const UDH = { concatenation: 'udh', reference: 0x2a, defaultAlphabet: 'gsm7' } as const;
const PAIR = '\u{20000}';

function expectMeasure(text: string, encoding: string, units: number, segments: number): void {
  assert.deepEqual(measure(text), { encoding, units, segments });
  assert.equal(splitText(text).parts.length, segments);
}

test('160 septets and 70 code units are one segment, one more is two', () => {
  expectMeasure('', 'gsm7', 0, 1);
  expectMeasure('a'.repeat(160), 'gsm7', 160, 1);
  expectMeasure('a'.repeat(161), 'gsm7', 161, 2);
  expectMeasure('中'.repeat(70), 'ucs2', 70, 1);
  expectMeasure('中'.repeat(71), 'ucs2', 71, 2);
  expectMeasure(`${'a'.repeat(69)}中`, 'ucs2', 70, 1);
  expectMeasure(`${'a'.repeat(70)}中`, 'ucs2', 71, 2);
});

test('a long message has 153 septets or 67 code units a segment', () => {
  for (let segments = 2; segments <= MAX_SEGMENTS; segments++) {
    expectMeasure('a'.repeat(153 * segments), 'gsm7', 153 * segments, segments);
    expectMeasure('a'.repeat(153 * segments + 1), 'gsm7', 153 * segments + 1, segments + 1);
    expectMeasure('中'.repeat(67 * segments), 'ucs2', 67 * segments, segments);
    expectMeasure('中'.repeat(67 * segments + 1), 'ucs2', 67 * segments + 1, segments + 1);
  }
});

test('extension characters count two, and never stand across a boundary', () => {
  expectMeasure('€'.repeat(80), 'gsm7', 160, 1);
  expectMeasure(`${'€'.repeat(80)}a`, 'gsm7', 161, 2);
  // The 153rd septet stays free before the euro sign, so that 306 septets take three segments.
  const text = `${'a'.repeat(152)}€${'b'.repeat(152)}`;
  expectMeasure(text, 'gsm7', 306, 3);
  assert.deepEqual(splitText(text).parts, ['a'.repeat(152), `€${'b'.repeat(151)}`, 'b']);
  expectMeasure('€'.repeat(76 * 5), 'gsm7', 760, 5);
  expectMeasure('€'.repeat(76 * 5 + 1), 'gsm7', 762, 6);
});

test('surrogate pairs count two, and never stand across a boundary', () => {
  expectMeasure(PAIR.repeat(35), 'ucs2', 70, 1);
  expectMeasure(PAIR.repeat(36), 'ucs2', 72, 2);
  const text = `${'中'.repeat(66)}${PAIR}${'文'.repeat(66)}`;
  expectMeasure(text, 'ucs2', 134, 3);
  assert.deepEqual(splitText(text).parts, ['中'.repeat(66), `${PAIR}${'文'.repeat(65)}`, '文']);
});

test('one segment carries no header and no TLV', () => {
  assert.deepEqual(encodeSegments('Hi @€', UDH), [
    { dataCoding: 0, esmClassUdhi: false, shortMessage: Buffer.from('486920001b65', 'hex') },
  ]);
  assert.deepEqual(encodeSegments('中a', { ...UDH, concatenation: 'sar' }), [
    { dataCoding: 8, esmClassUdhi: false, shortMessage: Buffer.from('4e2d0061', 'hex') },
  ]);
});

test('a long message by UDH has an 8-bit reference, total and sequence before each part', () => {
  const long = encodeSegments('中'.repeat(71), { ...UDH, reference: 0x12a });
  assert.deepEqual(
    long.map((segment) => segment.shortMessage.subarray(0, 6).toString('hex')),
    ['0500032a0201', '0500032a0202'],
  );
  assert.ok(long.every((segment) => segment.esmClassUdhi && segment.dataCoding === 8 && segment.sar === undefined));
  assert.deepEqual(
    long.map((segment) => segment.shortMessage.length),
    [6 + 67 * 2, 6 + 4 * 2],
  );
});

test('a long message by TLV has the parts alone and the three numbers beside', () => {
  const long = encodeSegments('a'.repeat(161), { ...UDH, concatenation: 'sar', reference: 0x1_0203 });
  assert.deepEqual(
    long.map((segment) => segment.sar),
    [
      { reference: 0x203, total: 2, sequence: 1 },
      { reference: 0x203, total: 2, sequence: 2 },
    ],
  );
  assert.deepEqual(
    long.map((segment) => [segment.esmClassUdhi, segment.shortMessage.length]),
    [
      [false, 153],
      [false, 8],
    ],
  );
});

test("where data_coding 0 is Latin-1 or ASCII, its octets go out and the split is the air's", () => {
  const [latin] = encodeSegments('é@_{}', { ...UDH, defaultAlphabet: 'latin1' });
  assert.deepEqual(latin, { dataCoding: 0, esmClassUdhi: false, shortMessage: Buffer.from('é@_{}', 'latin1') });
  const long = encodeSegments('{'.repeat(81), { ...UDH, defaultAlphabet: 'ascii' });
  assert.deepEqual(
    long.map((segment) => segment.shortMessage.subarray(6).toString('latin1')),
    ['{'.repeat(76), '{'.repeat(5)],
  );
});

test('a character such an operator lacks makes the message UCS-2 when that costs no segment more', () => {
  for (const text of ['5 €', 'Ω']) {
    const [segment] = encodeSegments(text, { ...UDH, defaultAlphabet: 'latin1' });
    assert.equal(segment?.dataCoding, 8);
    assert.equal(Buffer.from(segment.shortMessage).swap16().toString('utf16le'), text);
  }
  assert.equal(encodeSegments('é', { ...UDH, defaultAlphabet: 'ascii' })[0]?.dataCoding, 8);
});

test('where UCS-2 would cost more segments the character becomes a question mark', () => {
  const text = `€${'a'.repeat(70)}`;
  const segments = encodeSegments(text, { ...UDH, defaultAlphabet: 'latin1' });
  assert.equal(segments.length, measure(text).segments);
  assert.deepEqual(segments[0]?.shortMessage.toString('latin1'), `?${'a'.repeat(70)}`);
  assert.equal(segments[0]?.dataCoding, 0);
});

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 400, size: 'max' }),
  fc.string({ unit: fc.constantFrom('a', '€', 'Δ', 'é'), maxLength: 800, size: 'max' }),
  fc.string({ unit: fc.constantFrom('中', PAIR, 'a'), maxLength: 400, size: 'max' }),
);

test('the parts are the text again, none of them too long, no pair and no escape cut', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const { encoding, parts } = splitText(text);
      assert.equal(parts.join(''), text);
      assert.equal(parts.length, measure(text).segments);
      if (parts.length === 1) return;
      for (const part of parts) {
        assert.ok(part.isWellFormed() || !text.isWellFormed());
        assert.ok(encoding === 'gsm7' ? septetLength(part) <= 153 : part.length <= 67);
        assert.notEqual(part, '');
      }
    }),
  );
});

test('the segments as another side reads them are the text again', () => {
  fc.assert(
    fc.property(anyText, fc.nat(0xff), (text, reference) => {
      fc.pre(!text.includes('\0'));
      const segments = encodeSegments(text, { ...UDH, reference });
      const read = segments.map(({ dataCoding, esmClassUdhi, shortMessage }) => {
        assert.ok(shortMessage.length <= 160);
        return decodeUserData({ dataCoding, udhi: esmClassUdhi, bytes: shortMessage, defaultAlphabet: 'gsm7' });
      });
      assert.equal(read.map((part) => part.text).join(''), text);
      if (segments.length === 1) assert.equal(read[0]?.concat, undefined);
      else
        assert.deepEqual(
          read.map((part) => part.concat),
          read.map((_, index) => ({ reference, total: segments.length, sequence: index + 1 })),
        );
    }),
  );
});

test('whatever the alphabet, as many segments go out as were charged', () => {
  fc.assert(
    fc.property(anyText, fc.constantFrom('gsm7', 'latin1', 'ascii'), (text, defaultAlphabet) => {
      assert.equal(encodeSegments(text, { ...UDH, defaultAlphabet }).length, measure(text).segments);
    }),
  );
});

test('septets are unpacked, one a byte', () => {
  const [segment] = encodeSegments('[ok]', UDH);
  assert.equal(decodeSeptets(segment?.shortMessage ?? Buffer.alloc(0)), '[ok]');
  assert.equal(segment?.shortMessage.length, 6);
});
