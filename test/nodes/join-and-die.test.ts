import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { mostInAnySecond } from '../harness/segment-rate.ts';
import { faultsOf } from '../harness/campaign.ts';
import { eventually } from '../harness/sms-node.ts';
import type { Queryable } from '../../src/store/database.ts';
import { boundLinks, startTrial } from './trial.ts';

const LINKS = 4;
/** So long that a node has something under way whenever it dies. */
const ANSWER_AFTER_MS = 300;
const THROTTLE = 100;
/** A bucket holds what a tenth of a second earns; what a crowded machine holds up arrives with what comes after it. */
const MOST_IN_A_SECOND = THROTTLE * 1.3;
const LOAD_TIMES = 1.8;
const TAKEN_OVER_WITHIN_MS = 10_000;

/** Messages a node has claimed, or links it has. */
async function heldBy(database: Queryable, epoch: number, what: 'claimed' | 'links'): Promise<number> {
  const from = what === 'claimed' ? 'queue WHERE claimed_by = $1' : 'link_slots WHERE epoch = $1';
  const text = `SELECT count(*)::int AS n FROM ${from}`;
  const [held] = await database.query<{ n: number }>({ name: `held-${what}`, text }, [epoch]);
  return held?.n ?? 0;
}

test('three nodes share links and throttle while one joins and one is killed, whose messages are taken over', async (t) => {
  const trial = await startTrial({ nodes: 2, links: LINKS, throttle: THROTTLE, answerAfterMs: ANSWER_AFTER_MS });
  const { database, operator } = trial;
  try {
    const before = await trial.epochs();
    await eventually('two links each', async () => {
      const links = await boundLinks(database);
      return before.every((epoch) => links.get(epoch) === 2) ? true : undefined;
    });
    // Far more than the throttle lets through: were it not held, or by each node for itself, far more would arrive.
    const campaign = trial.load(THROTTLE * LOAD_TIMES);
    await pause(3_000);
    await trial.startNode();
    const joined = (await trial.epochs()).find((epoch) => !before.includes(epoch)) ?? 0;
    const joinedMs = performance.now();
    await eventually('a link of the node that joined', async () =>
      (await boundLinks(database)).get(joined) === 1 ? true : undefined,
    );
    const sharedAfterMs = Math.round(performance.now() - joinedMs);
    const [killed] = trial.nodes.splice(0, 1);
    const killedEpoch = before[0] ?? 0;
    await killed?.end('SIGKILL');
    const killedMs = performance.now();
    const claimedAtDeath = await heldBy(database, killedEpoch, 'claimed');
    await eventually('the end of what the dead node held', async () => {
      const held = (await heldBy(database, killedEpoch, 'claimed')) + (await heldBy(database, killedEpoch, 'links'));
      return held === 0 ? true : undefined;
    });
    const takenOverAfterMs = Math.round(performance.now() - killedMs);
    await eventually('all links', async () =>
      [...(await boundLinks(database)).values()].reduce((sum, n) => sum + n, 0) === LINKS ? true : undefined,
    );
    const boundAfterMs = Math.round(performance.now() - killedMs);
    const comparison = await trial.finish(campaign);
    const most = mostInAnySecond(operator.arrivals.map(({ atMs }) => atMs));
    t.diagnostic(
      JSON.stringify({
        ...comparison,
        sharedAfterMs,
        claimedAtDeath,
        takenOverAfterMs,
        boundAfterMs,
        most,
        mostBound: operator.sessions.most,
      }),
    );
    assert.ok(claimedAtDeath > 0, 'there was something to take over');
    assert.ok(takenOverAfterMs < TAKEN_OVER_WITHIN_MS, `taken over after ${takenOverAfterMs} ms`);
    assert.ok(boundAfterMs < TAKEN_OVER_WITHIN_MS, `bound again after ${boundAfterMs} ms`);
    assert.ok(most <= MOST_IN_A_SECOND, `${most} segments in a second`);
    assert.ok(operator.sessions.most <= LINKS, `${operator.sessions.most} sessions at once`);
    assert.deepEqual(faultsOf(comparison), {});
    assert.ok(comparison.deliveredTwice <= claimedAtDeath, 'at most what the dead node had under way');
  } finally {
    await trial.stop();
  }
});
