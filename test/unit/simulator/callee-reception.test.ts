import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CallReception } from '../../../src/simulator/calls-reception.ts';

test('what came and what is missing is counted, in whatever order, repeated or not, across the wrap', () => {
  const numbers = fc.shuffledSubarray(
    Array.from({ length: 40 }, (_, index) => index),
    { minLength: 1 },
  );
  fc.assert(
    fc.property(numbers, fc.integer({ min: 0, max: 0xffff }), fc.boolean(), (order, start, repeat) => {
      const reception = new CallReception();
      for (const index of order) assert.equal(reception.take(1, (start + index) & 0xffff), true);
      if (repeat) for (const index of order) assert.equal(reception.take(1, (start + index) & 0xffff), false);
      assert.equal(reception.packets, order.length);
      assert.equal(reception.lost, Math.max(...order) - Math.min(...order) + 1 - order.length);
    }),
  );
});

test('a new stream is counted from its own first packet', () => {
  const reception = new CallReception();
  for (const sequence of [1, 2, 4]) reception.take(1, sequence);
  for (const sequence of [60_000, 60_001, 60_004]) reception.take(2, sequence);
  assert.equal(reception.packets, 6);
  assert.equal(reception.lost, 3);
});

test('a long stream loses nothing by its own length', () => {
  const reception = new CallReception();
  for (let index = 0; index < 200_000; index += 1) assert.ok(reception.take(1, index & 0xffff));
  assert.deepEqual([reception.packets, reception.lost], [200_000, 0]);
});
