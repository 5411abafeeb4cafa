import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Database } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';
import { type Campaign, type Comparison, faultsOf } from '../harness/campaign.ts';
import { startSurroundings } from '../harness/operated-platform.ts';
import { makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';
import { skipIf } from '../harness/prerequisite.ts';
import { findPostgres, type PostgresPair, startPostgresPair } from './postgres-pair.ts';

const PER_SECOND = 150;
const BEFORE_MS = 5_000;
/** How long whoever promotes the standby takes to notice. */
const PROMOTED_AFTER_MS = 3_000;
const AFTERWARDS_MS = 20_000;
const DRAIN_PATIENCE_MS = 30_000;
const STALE_FOR_MS = 10_000;
/** What its clients had sent while it stood still is read and begun when it goes on, though they have left long ago. */
const SENT_BEFORE_IS_BEGUN_MS = 3_000;
/** From the promotion to the first acceptance: connections are tried again within a second or two. */
const FOUND_WITHIN_MS = 8_000;

const bin = await findPostgres();
const skip = skipIf(bin === undefined && 'PostgreSQL is not installed: scripts/install-peers.sh');

interface Trial {
  readonly comparison: Comparison;
  readonly gapMs: number;
  readonly foundAfterMs: number;
  readonly outcomes: Record<string, number>;
  readonly nodes: readonly PlatformProcess[];
}

/** Load on two nodes; `fall` takes the primary away, and the standby is promoted some seconds later. */
async function failOver(
  pair: PostgresPair,
  steps: { fall: () => Promise<void>; afterwards?: (nodes: readonly PlatformProcess[]) => Promise<void> },
): Promise<Trial> {
  await migrate(pair.url);
  const before = new Database(pair.url);
  const surroundings = await startSurroundings(before, { links: 2, throttle: 1_000 });
  await before.stop();
  const database = new Database(pair.url);
  const directory = await makeDataDir();
  const nodes: PlatformProcess[] = [];
  let campaign: Campaign | undefined;
  try {
    for (let n = 0; n < 2; n += 1) {
      const env = { ...surroundings.env, DATABASE_URL: pair.url };
      nodes.push(await startPlatformProcess({ dataDir: directory.path, env }));
    }
    const addresses = nodes.map(({ http }) => http);
    campaign = surroundings.startCampaign({ nodes: () => addresses, perSecond: PER_SECOND });
    await pause(BEFORE_MS);
    await steps.fall();
    await pause(PROMOTED_AFTER_MS);
    const promotedMs = performance.now();
    await pair.standby.query('SELECT pg_promote(true)');
    await pause(AFTERWARDS_MS);
    await steps.afterwards?.(nodes);
    await campaign.stop();
    await campaign.drain(database, () => surroundings.calledBack().size, DRAIN_PATIENCE_MS);
    const comparison = await campaign.compare(database, surroundings.delivered(), surroundings.calledBack());
    const first = campaign.sent.find(({ outcome, atMs }) => outcome === '00000' && atMs > promotedMs);
    const outcomes: Record<string, number> = {};
    for (const { outcome } of campaign.sent) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    const foundAfterMs = Math.round((first?.answeredAtMs ?? Number.POSITIVE_INFINITY) - promotedMs);
    return { comparison, gapMs: campaign.longestGapMs(), foundAfterMs, outcomes, nodes };
  } finally {
    await campaign?.stop();
    for (const node of nodes) await node.end('SIGTERM');
    await surroundings.stop();
    await database.stop();
    await directory.remove();
  }
}

/** Nothing that was acknowledged is lost or done twice, and nothing went out that was turned down. */
function assertNothingIsLost({ comparison }: Trial): void {
  const { requests, accepted, unanswered, refused } = comparison;
  assert.deepEqual(faultsOf(comparison), {});
  assert.equal(accepted + unanswered + refused, requests);
  assert.ok(accepted > PER_SECOND * 10, 'it was a load');
}

test('the primary is killed under load and the standby promoted: found by itself, nothing acknowledged is lost', {
  skip,
}, async (t) => {
  const pair = await startPostgresPair(bin ?? '');
  try {
    const trial = await failOver(pair, { fall: () => pair.primary.signalAll('SIGKILL') });
    t.diagnostic(
      JSON.stringify({
        ...trial.comparison,
        gapMs: trial.gapMs,
        foundAfterMs: trial.foundAfterMs,
        outcomes: trial.outcomes,
      }),
    );
    assertNothingIsLost(trial);
    assert.equal(trial.comparison.deliveredTwice, 0, 'no link fell: the leases outlived the gap');
    assert.ok(trial.foundAfterMs < FOUND_WITHIN_MS, `accepted again ${trial.foundAfterMs} ms after the promotion`);
  } finally {
    await pair.stop();
  }
});

test('the primary stands still and comes back beside its successor: nobody goes back to it', { skip }, async (t) => {
  const pair = await startPostgresPair(bin ?? '');
  try {
    const trial = await failOver(pair, {
      fall: () => pair.primary.signalAll('SIGSTOP'),
      afterwards: async () => {
        await pair.primary.signalAll('SIGCONT');
        await pause(SENT_BEFORE_IS_BEGUN_MS);
        const [since] = await pair.primary.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
        await pause(STALE_FOR_MS);
        // Asked there are only whether it takes writes; what hung there before its clients left hangs on.
        const left = await pair.primary.query<{ query: string }>(
          `SELECT query FROM pg_stat_activity WHERE datname = 'feige' AND query_start > '${since?.now}'
             AND query NOT LIKE '%pg_is_in_recovery%'`,
        );
        assert.deepEqual(left, [], 'nothing of the platform works on the old primary');
      },
    });
    t.diagnostic(
      JSON.stringify({
        ...trial.comparison,
        gapMs: trial.gapMs,
        foundAfterMs: trial.foundAfterMs,
        outcomes: trial.outcomes,
      }),
    );
    assertNothingIsLost(trial);
  } finally {
    await pair.stop();
  }
});
