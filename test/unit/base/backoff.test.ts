import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoffMs } from '../../../src/base/backoff.ts';

test('without jitter the pause doubles up to its bound', () => {
  const policy = { baseMs: 100, maxMs: 1_000, jitter: 0 };
  const pauses = [1, 2, 3, 4, 5, 6].map((attempt) => backoffMs(attempt, policy));
  assert.deepEqual(pauses, [100, 200, 400, 800, 1_000, 1_000]);
});

test('full jitter spreads the pause from nothing to the ceiling', () => {
  const policy = { baseMs: 100, maxMs: 1_000 };
  assert.equal(
    backoffMs(3, policy, () => 0),
    400,
  );
  assert.equal(
    backoffMs(3, policy, () => 0.5),
    200,
  );
  assert.equal(
    backoffMs(3, policy, () => 0.999_999),
    0,
  );
});

test('partial jitter keeps a part of the pause', () => {
  assert.equal(
    backoffMs(1, { baseMs: 1_000, maxMs: 9_000, jitter: 0.2 }, () => 0.999_999),
    800,
  );
});

test('no attempt, however late, leaves the bounds', () => {
  const attempts = fc.integer({ min: -10, max: 1_000_000 });
  fc.assert(
    fc.property(attempts, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
      const pauseMs = backoffMs(attempt, { baseMs: 50, maxMs: 60_000 }, () => random);
      assert.ok(Number.isInteger(pauseMs) && pauseMs >= 0 && pauseMs <= 60_000);
    }),
  );
});
