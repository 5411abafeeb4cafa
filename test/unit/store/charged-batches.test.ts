import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inHalves } from '../../../src/base/halves.ts';
import { judgeCharges } from '../../../src/store/charged-batches.ts';

const row = (msgid: number, accountId: number, points: number) => ({ msgid, accountId, points });
const poor = (msgid: number, balance: number) => ({ msgid, stale: false, balance });

test('a row that only a dearer one before it kept from being covered goes again', () => {
  const rows = [row(1, 7, 2), row(2, 7, 5), row(3, 7, 1), row(4, 7, 4)];
  // Of 4 points the first takes 2; the running sums of the others exceed what is there.
  const verdicts = judgeCharges(rows, [poor(2, 4), poor(3, 4), poor(4, 4)]);
  assert.deepEqual(verdicts, ['accepted', 'insufficient-points', 'again', 'insufficient-points']);
});

test('a row judged under settings that changed is judged anew, whatever the balance is', () => {
  const verdicts = judgeCharges([row(1, 7, 1), row(2, 8, 1)], [{ msgid: 1, stale: true, balance: 100 }]);
  assert.deepEqual(verdicts, ['account-changed', 'accepted']);
});

test('the halves of a batch keep the order of its items, and none is left out', async () => {
  const halves: number[][] = [];
  const results = await inHalves([1, 2, 3, 4, 5], (half) => {
    halves.push([...half]);
    return Promise.resolve(half.map((item) => item * 10));
  });
  assert.deepEqual(halves, [
    [1, 2, 3],
    [4, 5],
  ]);
  assert.deepEqual(results, [10, 20, 30, 40, 50]);
});
