import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { drawSchedule, type Fault } from '../../faults/schedule.ts';

const EXPECTED = [
  '2089 node-1: kill -9',
  '5265 node-2: kill -9',
  '8016 operator link: receipts for unknown ids',
  '10549 database: refuses writes',
  '13393 operator link: half-open',
  '15210 operator link: receipts twice',
];
const SEEDS = fc.integer({ min: 0, max: 2 ** 31 });

test('the same seed and length give the same schedule', () => {
  fc.assert(
    fc.property(SEEDS, fc.integer({ min: 10, max: 120 }), (seed, seconds) => {
      assert.deepEqual(drawSchedule(seed, seconds), drawSchedule(seed, seconds));
    }),
  );
  assert.notDeepEqual(drawSchedule(1, 60).faults, drawSchedule(3, 60).faults);
});

test('the schedule of a seed stays what it was when it was written down', () => {
  const { faults, unknownPolicy } = drawSchedule(7, 20);
  assert.deepEqual(
    { unknownPolicy, faults: faults.map(({ part, kind, startMs }) => `${startMs} ${part}: ${kind}`) },
    { unknownPolicy: 'hold', faults: EXPECTED },
  );
});

test('a part has one fault at a time, and all are over before the load ends', () => {
  fc.assert(
    fc.property(SEEDS, fc.integer({ min: 10, max: 120 }), (seed, seconds) => {
      const { faults } = drawSchedule(seed, seconds);
      for (const ofPart of Map.groupBy(faults, (fault) => fault.part).values()) {
        for (const [index, fault] of ofPart.entries()) {
          const next = ofPart[index + 1];
          assert.ok(next === undefined || next.startMs > endOf(fault), `${seed}: ${fault.part}`);
          assert.ok(endOf(fault) < seconds * 1_000);
        }
      }
    }),
  );
});

test('forty seconds hold ten faults and more', () => {
  for (let seed = 1; seed <= 100; seed += 1) assert.ok(drawSchedule(seed, 40).faults.length >= 10, `seed ${seed}`);
});

test('within a few seeds every kind comes at every part that it can strike', () => {
  const dealt = new Set<string>();
  for (let seed = 1; seed <= 20; seed += 1) {
    for (const { part, kind } of drawSchedule(seed, 40).faults) dealt.add(`${part}: ${kind}`);
  }
  assert.equal(dealt.size, 28, [...dealt].sort().join('\n'));
});

function endOf(fault: Fault): number {
  return fault.startMs + fault.durationMs;
}
