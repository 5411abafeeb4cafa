import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { startTrial } from './trial.ts';

const PER_SECOND = 150;
const ROUNDS = 2;

test('a rolling restart under load answers every request and loses and doubles nothing', async (t) => {
  const trial = await startTrial({ nodes: 2, links: 2, throttle: 1_000 });
  try {
    const campaign = trial.load(PER_SECOND);
    await pause(2_000);
    for (let restart = 0; restart < 2 * ROUNDS; restart += 1) {
      const [oldest] = trial.nodes;
      // It stays among those that are asked: one that refuses the connection is asked elsewhere.
      assert.equal(await oldest?.end('SIGTERM'), 0);
      await trial.startNode();
      trial.nodes.shift();
      await pause(1_500);
    }
    const comparison = await trial.finish(campaign);
    t.diagnostic(JSON.stringify(comparison));
    const { requests, accepted, ...others } = comparison;
    assert.equal(accepted, requests);
    for (const [what, times] of Object.entries(others)) assert.equal(times, 0, what);
  } finally {
    await trial.stop();
  }
});
