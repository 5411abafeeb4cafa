import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { mostInAnySecond } from '../harness/segment-rate.ts';
import { faultsOf } from '../harness/campaign.ts';
import { eventually } from '../harness/sms-node.ts';
import { boundLinks, startTrial } from './trial.ts';

const LINKS = 4;
const WINDOW = 100;
const THROTTLE = 100;
/** A bucket holds what a tenth of a second earns; what a crowded machine holds up arrives with what comes after it. */
const MOST_IN_A_SECOND = THROTTLE * 1.3;
const TAKEN_OVER_WITHIN_MS = 10_000;

test('three nodes share links and throttle while one joins and one is killed, whose messages are taken over', async (t) => {
  const trial = await startTrial({ nodes: 2, links: LINKS, throttle: THROTTLE });
  const { database, operator } = trial;
  try {
    const before = await trial.epochs();
    await eventually('two links each', async () => {
      const links = await boundLinks(database);
      return before.every((epoch) => links.get(epoch) === 2) ? true : undefined;
    });
    // More than the throttle lets through, so that the links have something to hold back.
    const campaign = trial.load(THROTTLE * 1.3);
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
    await eventually('the end of what the dead node held', async () => {
      const text = `SELECT (SELECT count(*) FROM queue WHERE claimed_by = $1)::int + (SELECT count(*) FROM link_slots WHERE epoch = $1)::int AS n`;
      const [held] = await database.query<{ n: number }>({ name: 'held', text }, [killedEpoch]);
      return held?.n === 0 ? true : undefined;
    });
    const takenOverAfterMs = Math.round(performance.now() - killedMs);
    await eventually('all links', async () =>
      [...(await boundLinks(database)).values()].reduce((sum, n) => sum + n, 0) === LINKS ? true : undefined,
    );
    const comparison = await trial.finish(campaign);
    const most = mostInAnySecond(operator.arrivals.map(({ atMs }) => atMs));
    t.diagnostic(
      JSON.stringify({ ...comparison, sharedAfterMs, takenOverAfterMs, most, mostBound: operator.sessions.most }),
    );
    assert.ok(takenOverAfterMs < TAKEN_OVER_WITHIN_MS, `taken over after ${takenOverAfterMs} ms`);
    assert.ok(most <= MOST_IN_A_SECOND, `${most} segments in a second`);
    assert.ok(operator.sessions.most <= LINKS, `${operator.sessions.most} sessions at once`);
    assert.deepEqual(faultsOf(comparison), {});
    assert.ok(comparison.deliveredTwice <= 2 * WINDOW, 'at most what was in flight at the kill');
  } finally {
    await trial.stop();
  }
});
