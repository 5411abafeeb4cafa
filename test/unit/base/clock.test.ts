import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FollowingClock } from '../../../src/base/clock.ts';

test('a clock that follows the database tells whole milliseconds', () => {
  const clock = new FollowingClock();
  clock.follow(1_700_000_000_000.697, 1.3);
  assert.ok(Number.isInteger(clock.now()));
  assert.ok(Math.abs(clock.now() - 1_700_000_000_001) < 1_000);
});
