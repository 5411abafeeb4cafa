import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLedger } from '../../../src/store/ledger.ts';
import { eventually } from '../../harness/sms-node.ts';
import { startVoiceNode, toneSpeech, type VoiceNode } from '../../harness/voice-node.ts';

/** A node that died while it held these calls, in front of one that has not started yet. */
async function afterDeath(held: string): Promise<{ node: VoiceNode; msgid: number; before: number }> {
  const node = await startVoiceNode({}, false);
  const before = await node.balance();
  const msgid = await node.sent('0900000100', { points: 8 });
  const [dead] = await node.rows<{ epoch: number }>(
    "INSERT INTO nodes (name, started_at, deadline) VALUES ('dead', now(), now() - interval '1 second') RETURNING epoch",
  );
  await node.rows(`UPDATE call_queue SET claimed_by = $1, ${held}`, [dead?.epoch ?? 0]);
  await node.start();
  return { node, msgid, before };
}

test('an answered call of a dead node is settled with the seconds that are known and never dialled again', async () => {
  const { node, msgid, before } = await afterDeath(
    "dialled = true, answered_at = now() - interval '100 seconds', talking_at = now() - interval '30 seconds'",
  );
  const end = await node.final(msgid);
  assert.deepEqual([end.state, end.seconds, end.points], ['FarEnd', 70, 4]);
  assert.equal(await node.balance(), before - 4);
  assert.equal(node.telephone.calls.of('0900000100').length, 0);
  assert.deepEqual((await checkLedger(node.database)).mismatches, []);
  await node.stop();
});

test('a call of a dead node that may have rung is dialled once more', async () => {
  const { node, msgid } = await afterDeath('dialled = true');
  assert.equal((await node.final(msgid)).state, 'FarEnd');
  assert.equal(node.telephone.calls.of('0900000100').length, 1);
  await node.stop();
});

test('a call that was interrupted twice is not dialled a third time and costs nothing', async () => {
  const { node, msgid, before } = await afterDeath('dialled = true, redials = 1');
  const end = await node.final(msgid);
  assert.deepEqual([end.state, end.seconds, end.points], ['NoAnswer', 0, 0]);
  assert.equal(await node.balance(), before);
  assert.equal(node.telephone.calls.of('0900000100').length, 0);
  await node.stop();
});

test('a call that a dead node had not dialled goes back as if nothing had been', async () => {
  const { node, msgid } = await afterDeath('redials = 1');
  assert.equal((await node.final(msgid)).state, 'FarEnd');
  await node.stop();
});

test('a call of a dead node whose end the database refuses holds up no other one', async () => {
  const node = await startVoiceNode({}, false);
  const refused = await node.sent('0900000100', { response: 'http://customer.example/calls' });
  const other = await node.sent('0900000101');
  await node.rows(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE check_violation USING MESSAGE = 'refused by the test'; END $$`);
  await node.rows('CREATE TRIGGER refuse BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION refuse()');
  await node.rows('UPDATE call_queue SET claimed_by = 99999, dialled = true, answered_at = now(), talking_at = now()');
  await node.start();
  assert.equal((await node.final(other)).state, 'FarEnd');
  assert.equal((await node.lookUp(refused)).kind, 'pending');
  await node.stop();
});

test('the answer is committed while the call talks', async () => {
  const node = await startVoiceNode({ speech: toneSpeech(60_000) });
  const msgid = await node.sent('0900000100');
  await eventually('the answer in the database', async () => {
    const rows = await node.rows('SELECT FROM call_queue WHERE msgid = $1 AND answered_at IS NOT NULL', [msgid]);
    return rows.length === 1 ? true : undefined;
  });
  assert.equal((await node.lookUp(msgid)).kind, 'pending');
  await node.stop();
});

test('a node that stops cancels what rings, for another to dial, and settles what talks', async () => {
  const node = await startVoiceNode({ speech: toneSpeech(60_000), ringTimeoutMs: 60_000 });
  const rings = await node.sent('0900000102');
  const talks = await node.sent('0900000100');
  await eventually('both calls', async () => {
    const rows = await node.rows('SELECT FROM call_queue WHERE dialled');
    const answered = await node.rows('SELECT FROM call_queue WHERE answered_at IS NOT NULL');
    return rows.length === 2 && answered.length === 1 && node.telephone.ongoing === 2 ? true : undefined;
  });
  await node.pipeline.stop();
  const left = await node.rows('SELECT msgid, redials, claimed_by, dialled FROM call_queue');
  assert.deepEqual(left, [{ msgid: rings, redials: 1, claimed_by: null, dialled: false }]);
  const end = await node.lookUp(talks);
  assert.ok(end.kind === 'final' && end.state === 'FarEnd' && end.seconds >= 2);
  assert.equal(node.telephone.ongoing, 0);
  await node.stop();
});

test('a node that lost its lease goes on with none of its calls', async () => {
  const node = await startVoiceNode({ speech: toneSpeech(60_000), ringTimeoutMs: 60_000 });
  await node.sent('0900000102');
  await eventually('the ringing', async () => (node.telephone.ongoing === 1 ? true : undefined));
  node.pipeline.loseLease();
  await eventually('the end of the ringing', async () =>
    node.telephone.calls.of('0900000102')[0]?.endedBy === 'caller' ? true : undefined,
  );
  await node.stop();
});
