import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Queryable } from '../../../src/store/database.ts';
import { segmentsClaimed, segmentsLeftClaimed } from '../../faults/node-claims.ts';

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

test('what one node has in its hands is counted without the others', async () => {
  const claims = [
    { msgid: 1, epoch: 7, segments: 3 },
    { msgid: 2, epoch: 8, segments: 1 },
  ];
  const database = { query: async () => claims } as unknown as Queryable;
  assert.deepEqual([await segmentsClaimed(database, 7), await segmentsClaimed(database)], [3, 4]);
});
