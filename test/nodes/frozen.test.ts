import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { faultsOf } from '../harness/campaign.ts';
import { eventually } from '../harness/sms-node.ts';
import { boundLinks, startTrial } from './trial.ts';

const FROZEN_FOR_MS = 30_000;
const PER_SECOND = 120;
const WINDOW = 100;
/** What the kernel had of a frozen node's bytes has arrived by then. */
const ARRIVED_WITHIN_MS = 1_000;

test('a node that is stopped for 30 s and goes on sends nothing over its old links, and takes part again', async (t) => {
  const trial = await startTrial({ nodes: 2, links: 2, throttle: 1_000, answerAfterMs: 100 });
  const { database, operator } = trial;
  try {
    await eventually('a link each', async () => ((await boundLinks(database)).size === 2 ? true : undefined));
    const campaign = trial.load(PER_SECOND);
    await pause(4_000);
    const [frozen] = trial.nodes.splice(0, 1);
    frozen?.child.kill('SIGSTOP');
    const frozenMs = performance.now();
    await pause(FROZEN_FOR_MS);
    frozen?.child.kill('SIGCONT');
    const continuedMs = performance.now();
    await eventually('both nodes with a link', async () =>
      (await trial.epochs()).length === 2 && (await boundLinks(database)).size === 2 ? true : undefined,
    );
    await pause(3_000);
    const comparison = await trial.finish(campaign);
    const during = operator.arrivals.filter(({ atMs }) => atMs > frozenMs + ARRIVED_WITHIN_MS && atMs < continuedMs);
    const boundBefore = new Set(operator.arrivals.filter(({ atMs }) => atMs < frozenMs).map(({ session }) => session));
    const alive = new Set(during.map(({ session }) => session));
    const silent = [...boundBefore].filter((session) => !alive.has(session));
    const afterwards = operator.arrivals.filter(
      ({ atMs, session }) => atMs > frozenMs + ARRIVED_WITHIN_MS && silent.includes(session),
    );
    t.diagnostic(JSON.stringify({ ...comparison, silent: silent.length, sentAfterwards: afterwards.length }));
    assert.equal(silent.length, 1, 'the link of the node that stood still');
    assert.equal(afterwards.length, 0, 'nothing came over it any more');
    assert.deepEqual(faultsOf(comparison), {});
    assert.ok(comparison.deliveredTwice <= WINDOW, 'at most what was in flight when it was stopped');
  } finally {
    await trial.stop();
  }
});
