import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { assertWhole, tryNodes, untilReady } from './trial.ts';

const PER_SECOND = 100;
const STOP_DELAY_S = 3;

test('a rolling restart under load answers every request and loses and doubles nothing', async (t) => {
  const nodeEnvironment = { STOP_DELAY_S: String(STOP_DELAY_S) };
  const options = { messagesPerSecond: PER_SECOND, operator: { links: 2 }, nodeEnvironment };
  const trial = await tryNodes(t, options, async (scene) => {
    await untilReady(scene, 2);
    await pause(2_000);
    for (const node of scene.world.nodes) {
      const startedAtMs = Date.now();
      assert.equal(await node.terminate(), 0, 'the exit code of a node that is told to stop');
      await node.start();
      scene.faults.push({ description: 'a restart', startedAtMs, healedAtMs: Date.now() });
      await untilReady(scene, 2);
    }
    return { restarts: scene.faults.length };
  });
  const { requests, facts } = trial.evidence;
  const notAnswered = requests.filter(({ planned, outcome, deletion }) => {
    const wantsDeletion = planned.kind === 'message' && planned.deletes;
    return outcome?.kind !== 'accepted' || deletion !== (wantsDeletion ? 'deleted' : undefined);
  });
  assert.deepEqual(notAnswered, []);
  assert.equal(trial.held, 0, 'there was always a node to ask');
  assertWhole(trial);
  const talked = new Set(facts.messages.flatMap((one) => (one.state === 'FarEnd' ? [one.serial] : [])));
  const missed = requests.filter(
    ({ planned }) => planned.kind === 'call' && planned.own && !talked.has(planned.serial),
  );
  assert.deepEqual(missed, [], 'a call that a restart interrupted is made by the other node');
  assert.equal(trial.comparison.deliveredTwice, 0);
});
