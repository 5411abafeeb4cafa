import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { PlatformProcess } from '../harness/platform-process.ts';
import { startTrial } from './trial.ts';

const PER_SECOND = 50;
const LOOK_EVERY_MS = 100;
const LOOK_PATIENCE_MS = 1_000;
const STOP_DELAY_S = 2;

/** What a load balancer does: asks every node again and again whether it wants requests. */
function watchReadiness(nodes: readonly PlatformProcess[]): {
  ready: () => readonly string[];
  stop: () => Promise<void>;
} {
  let watching = true;
  let ready: string[] = [];
  const loop = (async () => {
    while (watching) {
      const asked = nodes.map(async ({ http }) => {
        const status = await fetch(`${http}/readyz`, { signal: AbortSignal.timeout(LOOK_PATIENCE_MS) }).then(
          (response) => response.status,
          () => 0,
        );
        return status === 200 ? [http] : [];
      });
      ready = (await Promise.all(asked)).flat();
      await pause(LOOK_EVERY_MS);
    }
  })();
  return {
    ready: () => ready,
    stop: async () => {
      watching = false;
      await loop;
    },
  };
}

test('a rolling restart under load answers every request and loses and doubles nothing', async (t) => {
  const trial = await startTrial({ nodes: 2, links: 2, throttle: 1_000, env: { STOP_DELAY_S: String(STOP_DELAY_S) } });
  const balancer = watchReadiness(trial.nodes);
  try {
    while (balancer.ready().length < 2) await pause(LOOK_EVERY_MS);
    const campaign = trial.load(PER_SECOND, balancer.ready);
    await pause(2_000);
    for (let restart = 0; restart < 2; restart += 1) {
      const [oldest] = trial.nodes;
      assert.equal(await oldest?.end('SIGTERM'), 0);
      trial.nodes.shift();
      await trial.startNode();
      while (balancer.ready().length < 2) await pause(LOOK_EVERY_MS);
    }
    const comparison = await trial.finish(campaign);
    t.diagnostic(JSON.stringify(comparison));
    const { requests, accepted, ...others } = comparison;
    assert.equal(accepted, requests);
    for (const [what, times] of Object.entries(others)) assert.equal(times, 0, what);
  } finally {
    await balancer.stop();
    await trial.stop();
  }
});
