/** The two time formats of the standard. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatRelativeTime, parseSmppTime } from '../../../src/smpp/validity.ts';

test('a relative time is written in days, hours, minutes and seconds', () => {
  assert.equal(formatRelativeTime(300), '000000000500000R');
  assert.equal(formatRelativeTime(86_400), '000001000000000R');
  assert.equal(formatRelativeTime(259_200 + 3661), '000003010101000R');
  assert.equal(formatRelativeTime(31 * 86_400), '000101000000000R');
});

test('a relative time never expires at once and never overflows its digits', () => {
  assert.equal(formatRelativeTime(0), '000000000001000R');
  assert.equal(formatRelativeTime(-5), '000000000001000R');
  assert.equal(formatRelativeTime(1e12).length, 16);
});

test('a relative time is parsed back to the same seconds', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_000_000_000 }), (seconds) => {
      assert.deepEqual(parseSmppTime(formatRelativeTime(seconds)), { kind: 'relative', seconds });
    }),
  );
});

test('an absolute time is read with its quarter hours', () => {
  const atMs = Date.UTC(2026, 10, 22, 7, 30, 5, 500);
  assert.deepEqual(parseSmppTime('261122153005532+'), { kind: 'absolute', atMs });
  assert.deepEqual(parseSmppTime('261122033005516-'), { kind: 'absolute', atMs });
});

test('what is no time gives undefined', () => {
  for (const value of [
    '',
    '261322153005532+',
    '261122153005549+',
    '26112215300553+',
    'R',
    '260230000000000+',
    '2611221530055320',
  ]) {
    assert.equal(parseSmppTime(value), undefined, value);
  }
});
