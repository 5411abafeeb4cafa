import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Remembered } from '../../../src/base/remembered.ts';

/** A question that takes so long by the test's own clock. */
function question(tookMs: number) {
  const state = { nowMs: 0, asked: 0, fails: false };
  const remembered = new Remembered(
    async () => {
      state.asked += 1;
      state.nowMs += tookMs;
      if (state.fails) throw new Error('nobody there');
      return state.asked;
    },
    () => state.nowMs,
  );
  return { state, remembered };
}

test('a quick answer is remembered for five seconds', async () => {
  const { state, remembered } = question(1);
  assert.equal(await remembered.get(), 1);
  state.nowMs += 4_999;
  assert.equal(await remembered.get(), 1);
  state.nowMs += 1;
  assert.equal(await remembered.get(), 2);
});

test('an answer that took long is remembered a hundred times as long', async () => {
  const { state, remembered } = question(400);
  await remembered.get();
  state.nowMs += 39_999;
  assert.equal(await remembered.get(), 1);
  state.nowMs += 1;
  assert.equal(await remembered.get(), 2);
});

test('who asks meanwhile waits for the same answer', async () => {
  const { remembered } = question(0);
  assert.deepEqual(await Promise.all([remembered.get(), remembered.get()]), [1, 1]);
});

test('a failure is told to everybody until it is time to ask again', async () => {
  const { state, remembered } = question(1);
  state.fails = true;
  await assert.rejects(remembered.get());
  state.fails = false;
  await assert.rejects(remembered.get());
  state.nowMs += 5_000;
  assert.equal(await remembered.get(), 2);
});
