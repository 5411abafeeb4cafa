import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Periodic } from '../../../src/base/periodic.ts';

const PERIODIC = fileURLToPath(new URL('../../../src/base/periodic.ts', import.meta.url));

test('it runs at once again while there is more, and never two runs at a time', async () => {
  const done = Promise.withResolvers<void>();
  let runs = 0;
  let underWay = 0;
  const periodic = new Periodic({
    everyMs: 60_000,
    run: async () => {
      underWay += 1;
      assert.equal(underWay, 1);
      await Promise.resolve();
      underWay -= 1;
      runs += 1;
      if (runs === 3) done.resolve();
      return runs < 3;
    },
    onError: done.reject,
  });
  periodic.start();
  await done.promise;
  await periodic.stop();
  assert.equal(runs, 3);
});

test('a failure is reported once, not at every try that follows at once', async () => {
  const reported: unknown[] = [];
  const done = Promise.withResolvers<void>();
  let runs = 0;
  const periodic = new Periodic({
    everyMs: 1,
    run: () => {
      runs += 1;
      if (runs === 2) done.resolve();
      return Promise.reject(new Error('away'));
    },
    onError: (error) => reported.push(error),
  });
  periodic.start();
  await done.promise;
  await periodic.stop();
  assert.equal(reported.length, 1);
});

test('work that does not keep the process alive lets it end', async () => {
  const program = `
    const { Periodic } = await import(${JSON.stringify(PERIODIC)});
    new Periodic({ everyMs: 600_000, keepsAlive: false, run: async () => false, onError: () => {} }).start();`;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
});

test('what is asked for soon does not wait for its turn, and what is asked for during a run gets one of its own', async () => {
  const runs: PromiseWithResolvers<void>[] = [];
  const began = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const periodic = new Periodic({
    everyMs: 60_000,
    run: async () => {
      const run = Promise.withResolvers<void>();
      runs.push(run);
      began[runs.length - 1]?.resolve();
      await run.promise;
      return false;
    },
    onError: (error) => assert.fail(String(error)),
  });
  periodic.start();
  await began[0]?.promise;
  periodic.soon(0);
  runs[0]?.resolve();
  await began[1]?.promise;
  runs[1]?.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  periodic.soon(0);
  await began[2]?.promise;
  runs[2]?.resolve();
  await periodic.stop();
  assert.equal(runs.length, 3);
});

test('however often it is asked for, what failed is tried again no sooner', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let runs = 0;
  const periodic = new Periodic({
    everyMs: 10,
    run: async () => {
      runs += 1;
      throw new Error('away');
    },
    onError: () => {},
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  periodic.start();
  t.mock.timers.tick(1);
  await turn();
  for (let n = 0; n < 3; n += 1) {
    periodic.soon(0);
    t.mock.timers.tick(100);
    await turn();
  }
  assert.equal(runs, 1);
  t.mock.timers.tick(1_000);
  await turn();
  assert.equal(runs, 2);
  await periodic.stop();
});
