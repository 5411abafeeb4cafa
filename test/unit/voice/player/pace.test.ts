/** Every stream is due every 20 ms of absolute time, however late the thread wakes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GROUPS, Pace } from '../../../../src/voice/player/pace.ts';

test('four groups take turns 5 ms apart', () => {
  const pace = new Pace(1000);
  const seen = [0, 5, 10, 15, 20].map((afterMs) => pace.take(1000 + afterMs).groups);
  assert.deepEqual(seen, [[0], [1], [2], [3], [0]]);
  assert.deepEqual(pace.take(1024.9), { skippedPackets: 0, groups: [] });
});

test('the next wake-up is asked for in time and never before', () => {
  const pace = new Pace(1000);
  pace.take(1000);
  assert.equal(pace.delayMs(1000), 5);
  assert.equal(pace.delayMs(1003.4), 2);
  assert.equal(pace.delayMs(1009), 0);
});

test('late wake-ups are made good: after any time each group has had its turns, or had them counted as skipped', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 400, noNaN: true }), { minLength: 1, maxLength: 60 }), (pauses) => {
      const pace = new Pace(0);
      const turns: number[] = Array.from({ length: GROUPS }, () => 0);
      let nowMs = 0;
      let skipped = 0;
      for (const pauseMs of pauses) {
        nowMs += pauseMs;
        const due = pace.take(nowMs);
        skipped += due.skippedPackets;
        assert.ok(due.groups.length < 6 * GROUPS, 'no more than 100 ms are made good at once');
        for (const group of due.groups) turns[group] = (turns[group] ?? 0) + 1;
      }
      for (const [group, taken] of turns.entries()) {
        assert.equal(taken + skipped, Math.floor((nowMs - group * 5) / 20) + 1);
      }
    }),
    { numRuns: 500 },
  );
});

test('a stall of a second sends five packets at once and skips the others', () => {
  const pace = new Pace(0);
  pace.take(15);
  const due = pace.take(1015);
  assert.equal(due.skippedPackets, 45);
  assert.equal(due.groups.length, 5 * GROUPS);
});
