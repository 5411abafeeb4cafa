import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FollowingClock } from '../../../src/base/clock.ts';

test('a clock that follows the database tells whole milliseconds', () => {
  const clock = new FollowingClock();
  clock.follow(1_700_000_000_000.697, 1.3);
  assert.ok(Number.isInteger(clock.now()));
  assert.ok(Math.abs(clock.now() - 1_700_000_000_001) < 1_000);
});

test('a reading that took long, with the answer lying about, does not move a clock that was right', () => {
  const clock = new FollowingClock();
  const before = Date.now();
  clock.follow(before, 0);
  // The database read its clock at once; this process was stopped for 10 s before it saw the answer.
  clock.follow(before - 10_000, 10_000);
  assert.ok(Math.abs(clock.now() - Date.now()) < 100, `${clock.now() - Date.now()} ms off`);
});

test('a clock that was moved beyond what a reading leaves open follows it', () => {
  const clock = new FollowingClock();
  clock.follow(Date.now() + 3_600_000, 10);
  assert.ok(Math.abs(clock.now() - Date.now() - 3_600_000) < 100);
  clock.follow(Date.now(), 10);
  assert.ok(Math.abs(clock.now() - Date.now()) < 100);
});
