import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { HandsetArrival } from '../faults/handset-journal.ts';
import { segmentsClaimed } from '../faults/node-claims.ts';
import { eventually } from '../harness/sms-node.ts';
import { boundLinks, heldBy, livingEpochs, untilBusy } from './shares.ts';
import { assertWhole, tryNodes, untilReady } from './trial.ts';

const FROZEN_FOR_MS = 30_000;
const PER_SECOND = 100;
/** Segments: a little less than are asked for, so that some always wait in the queue. */
const THROTTLE = 110;
const LATENCY_MS = 100;
/** What the kernel had of a frozen node's bytes has arrived by then. */
const ARRIVED_WITHIN_MS = 1_000;

function segmentOf({ serial, segment }: HandsetArrival): string {
  return `${serial}/${segment}`;
}

test('a node that is stopped for 30 s and goes on sends nothing over its old links, and takes part again', async (t) => {
  const options = {
    messagesPerSecond: PER_SECOND,
    operator: { links: 2, throttle: THROTTLE },
    operatorLatencyMs: LATENCY_MS,
  };
  const trial = await tryNodes(t, options, async (scene) => {
    const { world, database, faults } = scene;
    const [frozen] = world.nodes;
    const [epoch = 0] = await livingEpochs(database);
    await eventually('a link each', async () => ((await boundLinks(database)).size === 2 ? true : undefined));
    await pause(4_000);
    await untilBusy(database, epoch);
    frozen.process.signal('SIGSTOP');
    const frozenMs = Date.now();
    const inHand = await heldBy(database, epoch);
    const segments = await segmentsClaimed(database, epoch);
    await pause(FROZEN_FOR_MS);
    frozen.process.signal('SIGCONT');
    const continuedMs = Date.now();
    faults.push({ description: 'node-1: SIGSTOP', startedAtMs: frozenMs, healedAtMs: continuedMs });
    await eventually('both nodes with a link', async () =>
      (await livingEpochs(database)).length === 2 && (await boundLinks(database)).size === 2 ? true : undefined,
    );
    await untilReady(scene, 2);
    await pause(3_000);
    return { frozenMs, continuedMs, inHand, segments };
  });
  const { frozenMs, continuedMs, inHand, segments } = trial.seen;
  const isDuring = (atMs: number): boolean => atMs > frozenMs + ARRIVED_WITHIN_MS && atMs < continuedMs;
  const { submits } = trial.links;
  const before = new Set(submits.filter(({ atMs }) => atMs < frozenMs).map(({ connection }) => connection));
  const alive = new Set(submits.filter(({ atMs }) => isDuring(atMs)).map(({ connection }) => connection));
  const silent = [...before].filter((connection) => !alive.has(connection));
  const afterwards = submits.filter(
    ({ atMs, connection }) => atMs > frozenMs + ARRIVED_WITHIN_MS && silent.includes(connection),
  );
  // Over whatever link: what the other node sent while this one stood still comes from nobody a second time.
  const { arrivals } = trial.evidence;
  const takenOver = new Set(arrivals.filter(({ atMs }) => isDuring(atMs)).map(segmentOf));
  const again = arrivals.filter((arrival) => arrival.atMs > continuedMs && takenOver.has(segmentOf(arrival)));
  t.diagnostic(JSON.stringify({ afterwards: afterwards.length, again: again.length, takenOver: takenOver.size }));
  assertWhole(trial);
  assert.ok(inHand.messages > 0 && inHand.calls > 0, 'it had something in its hands');
  assert.equal(silent.length, 1, 'the link of the node that stood still');
  assert.equal(afterwards.length, 0, 'nothing came over it any more');
  assert.ok(takenOver.size > PER_SECOND, 'the other node went on');
  assert.equal(again.length, 0, 'nothing that another has taken over was sent once more');
  assert.ok(trial.comparison.deliveredTwice <= segments + trial.unheard, 'at most what was in flight at the stop');
});
