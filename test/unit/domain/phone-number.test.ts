/** Numbers as customers and operators write them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { displayMobile, parseAnyMsisdn, parseMobile } from '../../../src/domain/phone-number.ts';

test('a Taiwanese mobile is the same number in each of its forms', () => {
  const forms = ['0911222333', '886911222333', '+886911222333', '0911-222-333', ' 0911 222 333 ', '+886 911-222-333'];
  for (const form of forms) assert.deepEqual(parseMobile(form), { e164: '886911222333', domestic: true }, form);
});

test('everything else under 886, and everything that is no number, is refused', () => {
  const refused = [
    '',
    ' ',
    '091122233',
    '09112223334',
    '0223456789',
    '886223456789',
    '+886223456789',
    '8860911222333',
    '88691122233',
    '8869112223334',
    '00886911222333',
    '002886911222333',
    '0911222333a',
    '０９１１２２２３３３',
    '0911222333,0911222334',
    '++85291234567',
    '852+91234567',
    '12345',
    '999123456789',
    '8521234',
    '120255501234',
    '1',
    'abc',
    '9'.repeat(1000),
  ];
  for (const input of refused) assert.equal(parseMobile(input), undefined, input);
});

test('a possible number abroad is taken with or without the plus sign', () => {
  const cases: [input: string, e164: string][] = [
    ['85291234567', '85291234567'],
    ['+852 9123-4567', '85291234567'],
    ['8613812345678', '8613812345678'],
    ['12025550123', '12025550123'],
    ['+4407700900123', '447700900123'],
  ];
  for (const [input, e164] of cases) assert.deepEqual(parseMobile(input), { e164, domestic: false }, input);
});

test('a number is shown as 09 at home and with its country code abroad', () => {
  assert.equal(displayMobile('886911222333'), '0911222333');
  assert.equal(displayMobile('85291234567'), '85291234567');
  assert.equal(displayMobile('886'), '886');
});

test('every domestic mobile is shown the way it was given', () => {
  fc.assert(
    fc.property(fc.nat(99_999_999), (number) => {
      const mobile = `09${String(number).padStart(8, '0')}`;
      const parsed = parseMobile(mobile);
      assert.equal(parsed?.domestic, true);
      assert.equal(displayMobile(parsed.e164), mobile);
      assert.deepEqual(parseMobile(parsed.e164), parsed);
      assert.equal(parseAnyMsisdn(mobile), parsed.e164);
    }),
  );
});

test("an operator's address is read in whatever form it comes", () => {
  const forms = ['886911222333', '+886911222333', '00886911222333', '0911222333', '911222333', '8860911222333'];
  for (const form of forms) assert.equal(parseAnyMsisdn(form), '886911222333', form);
  assert.equal(parseAnyMsisdn('85291234567'), '85291234567');
  assert.equal(parseAnyMsisdn('0223456789'), '886223456789');
  for (const none of ['', '12345', 'Feige', '0911x', '0000000000', '1'.repeat(16), '+']) {
    assert.equal(parseAnyMsisdn(none), undefined, none);
  }
});

test('no input makes a parser throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'+0123456789 -'.split('')) })), (input) => {
      const mobile = parseMobile(input);
      if (mobile !== undefined) assert.match(mobile.e164, /^[1-9]\d{5,14}$/);
      const any = parseAnyMsisdn(input);
      if (any !== undefined) assert.match(any, /^[1-9]\d{6,14}$/);
    }),
  );
});
