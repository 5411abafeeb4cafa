import assert from 'node:assert/strict';
import { test } from 'node:test';
import { behaviourOf } from '../../../src/simulator/callee-behaviours.ts';

test('a number behaves the same in every form it is dialled in', () => {
  for (const form of ['0900000101', '886900000101', '+886900000101']) {
    assert.deepEqual(behaviourOf(form), { number: '0900000101', behaviour: { kind: 'refuse', status: 486 } }, form);
  }
});

test('a number that is not in the table answers and listens', () => {
  const listens = { kind: 'answer', speaks: true, hangUpAfterMs: undefined, presses: undefined };
  for (const number of ['0900000100', '0912345678', '0212345678', '85212345678', '0900000109', '0900000000']) {
    assert.deepEqual(behaviourOf(number), { number, behaviour: listens });
  }
});

test('what is no number is unknown', () => {
  for (const dialled of ['', 'alice', '09x', '1'.repeat(21)]) {
    assert.deepEqual(behaviourOf(dialled), { number: undefined, behaviour: { kind: 'refuse', status: 404 } });
  }
});
