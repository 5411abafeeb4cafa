import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { segmentsClaimed } from '../faults/node-claims.ts';
import { mostInAnySecond } from '../harness/segment-rate.ts';
import { eventually } from '../harness/sms-node.ts';
import { boundLinks, heldBy, livingEpochs, untilBusy } from './shares.ts';
import { assertWhole, tryNodes } from './trial.ts';

const LINKS = 4;
/** So long that a node has something under way whenever it dies. */
const LATENCY_MS = 300;
const THROTTLE = 100;
/** A bucket holds what a tenth of a second earns; what a crowded machine holds up arrives with what comes after it. */
const MOST_IN_A_SECOND = THROTTLE * 1.3;
const SEGMENTS_PER_MESSAGE = 1.15;
/** Far more than the throttle lets through: were it not held, or by each node for itself, far more would arrive. */
const PER_SECOND = (THROTTLE * 1.8) / SEGMENTS_PER_MESSAGE;
const TAKEN_OVER_WITHIN_MS = 10_000;

test('three nodes share links and throttle while one joins and one is killed, whose messages and calls are taken over', async (t) => {
  const operator = { links: LINKS, throttle: THROTTLE };
  const options = { messagesPerSecond: PER_SECOND, operator, operatorLatencyMs: LATENCY_MS };
  const trial = await tryNodes(t, options, async (scene) => {
    const { world, database, balancer, faults } = scene;
    const before = await livingEpochs(database);
    await eventually('two links each', async () => {
      const links = await boundLinks(database);
      return before.every((epoch) => links.get(epoch) === 2) ? true : undefined;
    });
    await pause(3_000);
    balancer.watch(await world.addNode());
    const joined = (await livingEpochs(database)).find((epoch) => !before.includes(epoch)) ?? 0;
    const joinedMs = performance.now();
    await eventually('a link of the node that joined', async () =>
      (await boundLinks(database)).get(joined) === 1 ? true : undefined,
    );
    const sharedAfterMs = Math.round(performance.now() - joinedMs);
    const [epoch = 0] = before;
    await untilBusy(database, epoch);
    const startedAtMs = Date.now();
    await world.nodes[0].kill();
    const killedMs = performance.now();
    const left = await heldBy(database, epoch);
    const segments = await segmentsClaimed(database, epoch);
    await eventually('the end of what the dead node held', async () =>
      Object.values(await heldBy(database, epoch)).every((n) => n === 0) ? true : undefined,
    );
    const takenOverAfterMs = Math.round(performance.now() - killedMs);
    faults.push({ description: 'node-1: kill -9', startedAtMs, healedAtMs: Date.now() });
    await eventually('all links', async () =>
      [...(await boundLinks(database)).values()].reduce((sum, n) => sum + n, 0) === LINKS ? true : undefined,
    );
    const boundAfterMs = Math.round(performance.now() - killedMs);
    return { sharedAfterMs, left, segments, takenOverAfterMs, boundAfterMs };
  });
  const { left, segments, takenOverAfterMs, boundAfterMs } = trial.seen;
  const most = mostInAnySecond(trial.links.submits.map(({ atMs }) => atMs));
  const { mostBound } = trial.links;
  t.diagnostic(JSON.stringify({ most, mostBound }));
  assertWhole(trial);
  assert.ok(left.messages > 0 && left.calls > 0, 'there was something to take over');
  assert.ok(takenOverAfterMs < TAKEN_OVER_WITHIN_MS, `taken over after ${takenOverAfterMs} ms`);
  assert.ok(boundAfterMs < TAKEN_OVER_WITHIN_MS, `bound again after ${boundAfterMs} ms`);
  assert.ok(most <= MOST_IN_A_SECOND, `${most} segments in a second`);
  assert.ok(mostBound <= LINKS, `${mostBound} sessions at once`);
  assert.ok(trial.comparison.deliveredTwice <= segments + trial.unheard, 'at most what the dead node had under way');
});
