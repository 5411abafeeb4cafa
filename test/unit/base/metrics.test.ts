import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../../src/base/metrics.ts';

test('tallies are read when Prometheus asks, and asking twice counts nothing twice', async () => {
  const metrics = createMetrics();
  const tally = metrics.submits.of('simulator', 'accepted');
  assert.equal(metrics.submits.of('simulator', 'accepted'), tally);
  tally.add();
  tally.add(2);
  metrics.unresolvedCommits.add();
  for (let turn = 0; turn < 2; turn++) {
    const text = await metrics.registry.metrics();
    assert.match(text, /^feige_submits_total\{operator="simulator",result="accepted"\} 3$/m);
    assert.match(text, /^feige_unresolved_commits_total 1$/m);
  }
  metrics.stop();
});

test('gauges of the database are asked for each time, and left out when it does not answer', async () => {
  const metrics = createMetrics();
  let isAway = false;
  const answer = async <Value>(value: Value): Promise<Value> => {
    if (isAway) throw new Error('nobody there');
    return value;
  };
  metrics.fromDatabase({
    queues: () => answer([{ operator: 'simulator', depth: 7, headAgeSeconds: 1.5 }]),
    msgidsLeft: () => answer(99_900_000_000),
  });
  const text = await metrics.registry.metrics();
  assert.match(text, /^feige_queue_messages\{operator="simulator"\} 7$/m);
  assert.match(text, /^feige_queue_head_age_seconds\{operator="simulator"\} 1.5$/m);
  assert.match(text, /^feige_msgids_left 99900000000$/m);
  isAway = true;
  const without = await metrics.registry.metrics();
  assert.doesNotMatch(without, /^feige_queue_messages\{/m);
  assert.doesNotMatch(without, /^feige_msgids_left \d/m);
  metrics.stop();
});

test('gauges of calls are asked for each time, and left out when there is nothing to tell', async () => {
  const metrics = createMetrics();
  let isAway = false;
  let asked = 0;
  metrics.fromVoice({
    queue: async () => {
      asked += 1;
      if (isAway) throw new Error('nobody there');
      return { waiting: 3, later: 2, claimed: 1, headAgeSeconds: 1.5 };
    },
    packetSpacing: (quantiles) => (isAway ? [] : quantiles.map((quantile) => ({ quantile, ms: 20 + quantile }))),
  });
  const text = await metrics.registry.metrics();
  assert.equal(asked, 1);
  assert.match(text, /^feige_queue_calls\{state="waiting"\} 3$/m);
  assert.match(text, /^feige_queue_calls\{state="later"\} 2$/m);
  assert.match(text, /^feige_queue_calls\{state="claimed"\} 1$/m);
  assert.match(text, /^feige_queue_calls_head_age_seconds 1.5$/m);
  assert.match(text, /^feige_rtp_spacing_seconds\{quantile="1"\} 0.021$/m);
  isAway = true;
  const without = await metrics.registry.metrics();
  assert.doesNotMatch(without, /^feige_queue_calls\{/m);
  assert.doesNotMatch(without, /^feige_queue_calls_head_age_seconds \d/m);
  assert.doesNotMatch(without, /^feige_rtp_spacing_seconds\{/m);
  metrics.stop();
});
