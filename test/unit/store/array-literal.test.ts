import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import { arrayLiteral } from '../../../src/store/array-literal.ts';

const TEXT_ARRAY = 1009;
const FLOAT8_ARRAY = 1022;
const BOOLEAN_ARRAY = 1000;

function readBack(oid: number, literal: string | undefined): unknown {
  assert.ok(literal !== undefined);
  return pg.types.getTypeParser(oid)(literal);
}

test('texts come back as they were, quotes, backslashes, commas, braces and the word NULL included', () => {
  const character = fc.constantFrom('"', '\\', ',', '{', '}', ' ', 'N', 'U', 'L', '飛', '\n', '');
  const text = fc.oneof(
    fc.string(),
    fc.array(character).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(fc.array(fc.option(text)), (texts) => {
      assert.deepEqual(readBack(TEXT_ARRAY, arrayLiteral(texts)), texts);
    }),
  );
});

test('numbers and truth values come back as they were', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }))), (numbers) => {
      const expected = numbers.map((number) => (number === 0 ? 0 : number));
      assert.deepEqual(readBack(FLOAT8_ARRAY, arrayLiteral(numbers)), expected);
    }),
  );
  assert.deepEqual(readBack(BOOLEAN_ARRAY, arrayLiteral([true, null, false])), [true, null, false]);
});

test('what it does not know is left to others', () => {
  for (const element of [undefined, new Date(0), ['nested'], {}]) assert.equal(arrayLiteral([1, element]), undefined);
});
