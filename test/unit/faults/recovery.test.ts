import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeRecovery, recoveries } from '../../faults/recovery.ts';
import type { LoggedRequest } from '../../faults/request-log.ts';
import { planMessage } from '../../faults/request-plan.ts';

function accepted(serial: number, node: number, sentAtMs: number, endedAtMs: number): LoggedRequest {
  const outcome = { kind: 'accepted', msgid: serial, points: undefined } as const;
  return { planned: planMessage(serial), node, sentAtMs, endedAtMs, outcome, deletion: undefined };
}

const FAULT = { description: 'a fault', startedAtMs: 1_000, healedAtMs: 2_000 };
const REQUESTS = [accepted(1, 0, 1_900, 2_010), accepted(2, 0, 2_050, 2_100), accepted(3, 1, 2_060, 2_300)];

test('whole again is when both nodes answer what was sent since, and something arrives', () => {
  const arrivals = [
    { serial: 1, segment: 1, atMs: 1_990 },
    { serial: 3, segment: 1, atMs: 2_450 },
    { serial: 2, segment: 1, atMs: 2_500 },
  ];
  assert.deepEqual(recoveries([FAULT], REQUESTS, arrivals), [
    { description: 'a fault', durationMs: 450, waitedFor: 'handsets', with: [] },
  ]);
});

test('a fault after which nothing arrives any more never recovers', () => {
  const [found] = recoveries([FAULT], REQUESTS, [{ serial: 1, segment: 1, atMs: 1_990 }]);
  assert.equal(found?.durationMs, Number.POSITIVE_INFINITY);
});

test('a recovery into which another fault falls is judged with that one', () => {
  const next = { description: 'the next', startedAtMs: 2_200, healedAtMs: 2_250 };
  const arrivals = [{ serial: 3, segment: 1, atMs: 2_450 }];
  const later = [...REQUESTS, accepted(4, 0, 2_260, 2_270), accepted(5, 1, 2_260, 2_280)];
  const found = recoveries([FAULT, next], later, [...arrivals, { serial: 4, segment: 1, atMs: 2_400 }]);
  assert.deepEqual(found, [{ description: 'the next', durationMs: 150, waitedFor: 'handsets', with: ['a fault'] }]);
});

test('a recovery tells which node it waited for, and of which earlier faults it is that as well', () => {
  const killed = { description: 'node-1: kill -9', startedAtMs: 100, healedAtMs: 200 };
  const arrivals = [{ serial: 3, segment: 1, atMs: 2_010 }];
  const [found] = recoveries([killed, FAULT], [accepted(2, 0, 2_050, 9_000), accepted(3, 1, 2_060, 2_300)], arrivals);
  assert.equal(found && describeRecovery(found), '7000 ms (a fault; node-1 last; with node-1: kill -9)');
});
