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
