import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { faultsOf } from '../harness/campaign.ts';
import { eventually } from '../harness/sms-node.ts';
import { boundLinks, startTrial } from './trial.ts';

const FROZEN_FOR_MS = 30_000;
const PER_SECOND = 120;
const ANSWER_AFTER_MS = 100;
/** What its clients sent it is read and answered so much earlier or later on a crowded machine. */
const IN_FLIGHT_MARGIN_MS = 400;
/** What the kernel had of a frozen node's bytes has arrived by then. */
const ARRIVED_WITHIN_MS = 1_000;

test('a node that is stopped for 30 s and goes on sends nothing over its old links, and takes part again', async (t) => {
  const trial = await startTrial({ nodes: 2, links: 2, throttle: 1_000, answerAfterMs: ANSWER_AFTER_MS });
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
    // Over whatever link: what the other node sent while this one stood still comes from nobody a second time.
    const takenOver = new Set(during.map(({ text }) => text));
    const again = operator.arrivals.filter(({ atMs, text }) => atMs > continuedMs && takenOver.has(text));
    // What was in flight when it was stopped, and no more: its responses were lost with it.
    const inFlight = operator.arrivals.filter(
      ({ atMs, session }) =>
        silent.includes(session) &&
        atMs > frozenMs - ANSWER_AFTER_MS - IN_FLIGHT_MARGIN_MS &&
        atMs <= frozenMs + ARRIVED_WITHIN_MS,
    );
    const seen = { silent: silent.length, sentAfterwards: afterwards.length, again: again.length };
    t.diagnostic(JSON.stringify({ ...comparison, ...seen, takenOver: takenOver.size, inFlight: inFlight.length }));
    assert.equal(silent.length, 1, 'the link of the node that stood still');
    assert.equal(afterwards.length, 0, 'nothing came over it any more');
    assert.ok(takenOver.size > PER_SECOND, 'the other node went on');
    assert.equal(again.length, 0, 'nothing that another has taken over was sent once more');
    assert.deepEqual(faultsOf(comparison), {});
    assert.ok(comparison.deliveredTwice <= inFlight.length, 'at most what was in flight when it was stopped');
  } finally {
    await trial.stop();
  }
});
