import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { claimCalls } from '../../../src/store/call-queue.ts';
import type { EndedCall, SettledCall } from '../../../src/store/call-settlement.ts';
import { checkLedger } from '../../../src/store/ledger.ts';
import { CallRecorder } from '../../../src/voice/settle.ts';
import { eventually } from '../../harness/sms-node.ts';
import { startVoiceNode, type VoiceNode } from '../../harness/voice-node.ts';

let node: VoiceNode;
let epoch: number;
before(async () => {
  node = await startVoiceNode({}, false);
  await node.lease.start();
  epoch = node.lease.epoch() ?? 0;
  // What a table's partition that is missing, or a value that is out of its range, makes of an INSERT.
  await node.rows(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE check_violation USING MESSAGE = 'refused by the test'; END $$`);
});
after(async () => {
  await node.lease.stop();
  await node.stop();
});
beforeEach(async () => {
  await node.rows('DROP TRIGGER IF EXISTS refuse ON outbox');
});

function makeRecorder(refusedPausesMs = [10, 10]): { recorder: CallRecorder; settled: SettledCall[] } {
  const settled: SettledCall[] = [];
  const recorder = new CallRecorder({
    database: node.database,
    clock: node.clock,
    log: createLogger({ level: 'silent' }),
    onSettled: (calls) => settled.push(...calls),
    refusedPausesMs,
  });
  return { recorder, settled };
}

/** A call that this node holds, with 2 points reserved. */
async function claimedCall(): Promise<number> {
  const msgid = await node.sent('0900000100', { response: 'http://customer.example/calls' });
  const claim = { epoch, limit: 10, allowances: new Map(), otherwise: 10, callsPerAccount: 100 };
  assert.deepEqual(
    (await claimCalls(node.database, claim)).map((call) => call.msgid),
    [msgid],
  );
  return msgid;
}

function endOfCall(msgid: number, more: Partial<EndedCall> = {}): EndedCall {
  const times = { answeredAtMs: undefined, doneAtMs: node.clock.now() };
  return { msgid, epoch, claim: 1, state: 'Busy', seconds: 0, points: 0, reason: '486 Busy Here', ...times, ...more };
}

test('an end that is refused for good leaves the queue without its callback, and gives the points back', async () => {
  const before = await node.balance();
  const msgid = await claimedCall();
  await node.rows('CREATE TRIGGER refuse BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION refuse()');
  const { recorder, settled } = makeRecorder();
  assert.equal(await recorder.note({ kind: 'ended', ended: endOfCall(msgid), events: [] }), false);
  const end = await node.final(msgid);
  assert.deepEqual([end.state, end.points], ['Busy', 0]);
  assert.deepEqual(await node.rows('SELECT FROM call_queue'), []);
  assert.equal(await node.balance(), before);
  assert.deepEqual((await checkLedger(node.database)).mismatches, []);
  await recorder.stop();
  assert.deepEqual(settled, [{ msgid, state: 'Busy' }]);
});

test('an end that is refused for a while is whole in the end', async () => {
  const msgid = await claimedCall();
  await node.rows('CREATE TRIGGER refuse BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION refuse()');
  const { recorder } = makeRecorder(Array.from({ length: 100 }, () => 50));
  await recorder.note({ kind: 'ended', ended: endOfCall(msgid), events: [] });
  await node.rows('DROP TRIGGER refuse ON outbox');
  await eventually('the callback', async () => {
    const owed = await node.rows('SELECT FROM outbox WHERE msgid = $1', [msgid]);
    return owed.length === 1 ? true : undefined;
  });
  assert.equal((await node.final(msgid)).state, 'Busy');
  await recorder.stop();
});

test('a reason that cannot be stored costs the reason, at once', async () => {
  const msgid = await claimedCall();
  const { recorder } = makeRecorder();
  const ended = endOfCall(msgid, { reason: '486 Busy\0Here' });
  assert.equal(await recorder.note({ kind: 'ended', ended, events: [] }), true);
  assert.equal((await node.final(msgid)).state, 'Busy');
  await recorder.stop();
});
