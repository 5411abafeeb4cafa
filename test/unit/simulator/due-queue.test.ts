import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../../src/base/clock.ts';
import { DueQueue } from '../../../src/simulator/due-queue.ts';

function fail(error: unknown): never {
  throw error;
}

test('what is due runs in order of time, and of arrival at the same time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 60 }), async (times) => {
      const queue = new DueQueue({ clock: new ManualClock(20), onFault: fail });
      const ran: number[] = [];
      const { promise, resolve } = Promise.withResolvers<void>();
      for (const [index, dueMs] of times.entries()) {
        queue.at(dueMs, () => {
          ran.push(index);
          if (ran.length === times.length) resolve();
        });
      }
      assert.deepEqual(ran, [], 'nothing runs inside at()');
      await promise;
      queue.stop();
      const expected = [...times.keys()].sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0) || a - b);
      assert.deepEqual(ran, expected);
    }),
    { numRuns: 40 },
  );
});

test('nothing runs before its time, and a moved clock is noticed', async () => {
  const clock = new ManualClock(0);
  const queue = new DueQueue({ clock, onFault: fail });
  const ran: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  queue.at(3_600_000, () => {
    ran.push('late');
    resolve();
  });
  await new Promise<void>((early) => queue.at(0, early));
  assert.deepEqual(ran, []);
  clock.advance(3_600_000);
  await promise;
  assert.equal(queue.size, 0);
});

test('a fault in one does not keep the others from running', async () => {
  const faults: unknown[] = [];
  const queue = new DueQueue({ clock: new ManualClock(0), onFault: (error) => faults.push(error) });
  queue.at(0, () => fail(new Error('broken')));
  await new Promise<void>((resolve) => queue.at(0, resolve));
  assert.equal(faults.length, 1);
});

test('after stop nothing runs', async () => {
  const queue = new DueQueue({ clock: new ManualClock(0), onFault: fail });
  queue.at(0, () => fail(new Error('ran')));
  queue.stop();
  queue.at(0, () => fail(new Error('ran')));
  assert.equal(queue.size, 0);
});
