import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { offences } from '../faults/comparison.ts';
import { OPERATOR } from '../faults/world.ts';
import { skipIf } from '../harness/prerequisite.ts';
import { failOver, type Trial, type TrialSteps } from './fail-over.ts';
import { findPostgres, type PostgresPair } from './postgres-pair.ts';

const STALE_FOR_MS = 10_000;
/** What its clients had sent while it stood still is read and begun when it goes on, though they have left long ago. */
const SENT_BEFORE_IS_BEGUN_MS = 3_000;
/** From the promotion to the first acceptance; what finds a successor beside a silent primary takes 5 s of it. */
const FOUND_WITHIN_MS = 8_000;
/** Less than a third of what is asked for before the fall and after it. */
const LEAST_ACCEPTED = 2_500;
/** Segments in flight when nodes that lost their leases cut their links. */
const IN_FLIGHT_AT_CUT = OPERATOR.links * OPERATOR.window;

const bin = await findPostgres();
const skip = skipIf(bin === undefined && 'PostgreSQL is not installed: scripts/install-peers.sh');

async function tryFailOver(t: TestContext, steps: TrialSteps): Promise<Trial> {
  const tell = (text: string): void => t.diagnostic(text);
  const trial = await failOver({ ...steps, bin: bin ?? '', signal: t.signal, tell });
  const { comparison, ...rest } = trial;
  const { findings, ...figures } = comparison;
  t.diagnostic(JSON.stringify({ ...figures, ...rest }));
  for (const finding of findings) t.diagnostic(finding);
  return trial;
}

/** What was answered, stored, charged, refunded, shown, reported and called back of every request agrees; soon it goes on. */
function assertFoundAndNothingLost({ comparison, unexpectedEnds, foundAfterMs }: Trial): void {
  assert.deepEqual([...offences(comparison), ...unexpectedEnds], []);
  assert.ok(comparison.accepted > LEAST_ACCEPTED && comparison.callsAnswered > 0, 'it was a load');
  assert.ok(foundAfterMs < FOUND_WITHIN_MS, `accepted again ${foundAfterMs} ms after the promotion`);
}

async function assertNobodyWorksOn(primary: PostgresPair['primary']): Promise<void> {
  primary.thaw();
  await pause(SENT_BEFORE_IS_BEGUN_MS);
  const [since] = await primary.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  await pause(STALE_FOR_MS);
  // Asked there are only whether it takes writes; what hung there before its clients left hangs on.
  const left = await primary.query<{ query: string }>(
    `SELECT query FROM pg_stat_activity WHERE datname = 'feige' AND query_start > '${since?.now}'
       AND query NOT LIKE '%pg_is_in_recovery%'`,
  );
  assert.deepEqual(left, [], 'nothing of the platform works on the old primary');
}

test('the primary is killed under load and the standby promoted: found by itself, nothing acknowledged is lost', {
  skip,
}, async (t) => {
  const trial = await tryFailOver(t, { fall: ({ primary }) => primary.kill() });
  assertFoundAndNothingLost(trial);
  assert.equal(trial.comparison.deliveredTwice, 0, 'no link fell: the leases outlived the gap');
});

test('the primary stands still and comes back beside its successor: nobody goes back to it', { skip }, async (t) => {
  const trial = await tryFailOver(t, {
    fall: ({ primary }) => primary.freeze(),
    afterwards: ({ primary }) => assertNobodyWorksOn(primary),
  });
  assertFoundAndNothingLost(trial);
  assert.ok(trial.comparison.deliveredTwice <= IN_FLIGHT_AT_CUT, `${trial.comparison.deliveredTwice} segments twice`);
});
