import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandOver } from '../../../src/sms/hand-over.ts';
import type { AcceptRow } from '../../../src/store/acceptance.ts';
import type { QueuedMessage, QueueHolder } from '../../../src/store/queue.ts';

type Taken = { msgids: number[]; highestRank: number; leftSome: boolean } | 'lost';

function holder(room: number, taken: Taken[], epoch = 7): QueueHolder {
  return {
    epoch,
    room,
    take: (messages: readonly QueuedMessage[], highestRank, leftSome) => {
      taken.push({ msgids: messages.map(({ msgid }) => msgid), highestRank, leftSome });
    },
    lost: () => taken.push('lost'),
  };
}

function row(msgid: number, fields: Partial<AcceptRow> = {}): Omit<AcceptRow, 'claimed'> {
  return {
    msgid,
    accountId: 1,
    accountVersion: 1,
    mobile: '886911222333',
    body: 'text',
    segments: 1,
    points: 1,
    runningPoints: 1,
    runningSegments: 1,
    dueAtMs: undefined,
    validitySeconds: 60,
    drurl: undefined,
    operatorId: 1,
    sourceAddress: undefined,
    ...fields,
  };
}

const committed = { rejected: new Set<number>(), claimed: new Map([[1, { rank: 42, claim: 9 }]]), acceptedAtMs: 1_000 };

test('rows are claimed in order as long as there is room, and nothing overtakes what was left', () => {
  const taken: Taken[] = [];
  const handOver = new HandOver(() => holder(3, taken));
  const rows = [row(1), row(2, { segments: 3 }), row(3), row(4)].map((each) => handOver.add(each));
  assert.deepEqual(
    rows.map((each) => each.claimed),
    [true, false, false, false],
  );
  assert.equal(handOver.epoch, 7);
  assert.deepEqual(handOver.committed({ rows, ...committed }), new Set([1]));
  assert.deepEqual(taken, [{ msgids: [1], highestRank: 42, leftSome: true }]);
});

test('scheduled and rejected rows are not handed over, and leave nothing in the queue', () => {
  const taken: Taken[] = [];
  const handOver = new HandOver(() => holder(9, taken));
  const rows = [row(1, { dueAtMs: 5_000 }), row(2), row(3)].map((each) => handOver.add(each));
  assert.deepEqual(
    rows.map((each) => each.claimed),
    [false, true, true],
  );
  assert.deepEqual(handOver.committed({ rows, ...committed, rejected: new Set([2]) }), new Set());
  assert.deepEqual(taken, [{ msgids: [3], highestRank: 42, leftSome: false }]);
});

test('each operator is asked once, and one without room gets nothing', () => {
  const taken: Taken[] = [];
  const asked: number[] = [];
  const handOver = new HandOver((operatorId) => {
    asked.push(operatorId);
    return operatorId === 1 ? holder(9, taken) : undefined;
  });
  const rows = [row(1), row(2, { operatorId: 2 }), row(3), row(4, { operatorId: 2 })].map((each) => handOver.add(each));
  assert.deepEqual(asked, [1, 2]);
  assert.deepEqual(
    rows.map((each) => each.claimed),
    [true, false, true, false],
  );
  assert.deepEqual(handOver.committed({ rows, ...committed }), new Set([2]), 'for whom something waits');
});

test('a statement claims for one epoch only', () => {
  const taken: Taken[] = [];
  const handOver = new HandOver((operatorId) => holder(9, taken, operatorId));
  const rows = [row(1), row(2, { operatorId: 2 })].map((each) => handOver.add(each));
  assert.deepEqual(
    rows.map((each) => each.claimed),
    [true, false],
  );
  assert.equal(handOver.epoch, 1);
});

test('every holder hears of a batch that failed or was lost', () => {
  const taken: Taken[] = [];
  const handOver = new HandOver(() => holder(9, taken));
  handOver.add(row(1));
  handOver.failed();
  handOver.lost();
  assert.deepEqual(taken, [{ msgids: [], highestRank: 0, leftSome: false }, 'lost']);
});
