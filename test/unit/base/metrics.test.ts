import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../../src/base/metrics.ts';
import type { VoiceGauges } from '../../../src/base/voice-metrics.ts';

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

test('gauges of the database are left out when it does not answer, and the queue is counted rarely', async () => {
  const metrics = createMetrics();
  let isAway = false;
  let nowMs = 0;
  let depth = 7;
  const answer = async <Value>(value: Value): Promise<Value> => {
    if (isAway) throw new Error('nobody there');
    return value;
  };
  const gauges = {
    depths: () => answer([{ operator: 'simulator', depth }]),
    headAges: () => answer([{ operator: 'simulator', headAgeSeconds: depth / 2 }]),
    msgidsLeft: () => answer(99_900_000_000),
  };
  metrics.fromDatabase(gauges, () => nowMs);
  const text = await metrics.registry.metrics();
  assert.match(text, /^feige_queue_messages\{operator="simulator"\} 7$/m);
  assert.match(text, /^feige_queue_head_age_seconds\{operator="simulator"\} 3.5$/m);
  assert.match(text, /^feige_msgids_left 99900000000$/m);
  depth = 9;
  const soon = await metrics.registry.metrics();
  assert.match(soon, /^feige_queue_messages\{operator="simulator"\} 7$/m);
  assert.match(soon, /^feige_queue_head_age_seconds\{operator="simulator"\} 4.5$/m);
  isAway = true;
  nowMs += 5_000;
  const without = await metrics.registry.metrics();
  assert.doesNotMatch(without, /^feige_queue_messages\{/m);
  assert.doesNotMatch(without, /^feige_queue_head_age_seconds\{/m);
  assert.doesNotMatch(without, /^feige_msgids_left \d/m);
  metrics.stop();
});

test('gauges of calls are left out when there is nothing to tell', async () => {
  const metrics = createMetrics();
  let isAway = false;
  let nowMs = 0;
  const answer = async <Value>(value: Value): Promise<Value> => {
    if (isAway) throw new Error('nobody there');
    return value;
  };
  const gauges: VoiceGauges = {
    counts: () => answer({ waiting: 3, later: 2, claimed: 1 }),
    headAgeSeconds: () => answer(1.5),
    packetSpacing: (quantiles) => (isAway ? [] : quantiles.map((quantile) => ({ quantile, ms: 20 + quantile }))),
  };
  metrics.fromVoice(gauges, () => nowMs);
  const text = await metrics.registry.metrics();
  assert.match(text, /^feige_queue_calls\{state="waiting"\} 3$/m);
  assert.match(text, /^feige_queue_calls\{state="later"\} 2$/m);
  assert.match(text, /^feige_queue_calls\{state="claimed"\} 1$/m);
  assert.match(text, /^feige_queue_calls_head_age_seconds 1.5$/m);
  assert.match(text, /^feige_rtp_spacing_seconds\{quantile="1"\} 0.021$/m);
  isAway = true;
  nowMs += 5_000;
  const without = await metrics.registry.metrics();
  assert.doesNotMatch(without, /^feige_queue_calls\{/m);
  assert.doesNotMatch(without, /^feige_queue_calls_head_age_seconds \d/m);
  assert.doesNotMatch(without, /^feige_rtp_spacing_seconds\{/m);
  metrics.stop();
});
