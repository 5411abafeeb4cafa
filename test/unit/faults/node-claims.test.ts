import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Queryable } from '../../../src/store/database.ts';
import { segmentsLeftClaimed } from '../../faults/node-claims.ts';

test('what a node left is what is claimed by the same epoch at both looks, in segments', async () => {
  const left = { msgid: 1, epoch: 7, segments: 3 };
  const done = { msgid: 2, epoch: 8, segments: 1 };
  const claimedAnew = { msgid: 3, epoch: 8, segments: 1 };
  const looks = [
    [left, done, claimedAnew],
    [left, { ...claimedAnew, epoch: 9 }],
  ];
  const database = { query: async () => looks.shift() } as unknown as Queryable;
  assert.equal(await segmentsLeftClaimed(database), 3);
});
