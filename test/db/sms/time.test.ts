import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

let node: SmsNode;
before(async () => {
  node = await startSmsNode({ receiptGraceMs: 60_000 });
});
after(() => node.stop());

/** Moves every process's clock forward; the nodes follow it when they renew their leases. */
async function moveTime(durationMs: number): Promise<void> {
  await node.rows('UPDATE clock_shift SET offset_ms = offset_ms + $1', [durationMs]);
  const wantedMs = node.clock.now() + durationMs / 2;
  await eventually('the moved clock', async () => (node.clock.now() > wantedMs ? true : undefined));
}

test('a scheduled message waits for its time and then goes out', async () => {
  const msgid = await node.sendAccepted('0911222333', 'later', { dueAtMs: node.clock.now() + 3_600_000 });
  assert.equal((await node.lookUp(msgid, '0911222333')).kind, 'scheduled');
  assert.equal(await node.balance(), 999);
  await moveTime(3_700_000);
  assert.equal(await node.finalState(msgid, '0911222333'), 'DELIVRD');
});

test('a scheduled message that is deleted is refunded and ends as DELETED, once', async () => {
  const balance = await node.balance();
  const msgid = await node.sendAccepted('0911222333', 'never', { dueAtMs: node.clock.now() + 3_600_000 });
  const message = { accountId: node.accountId, msgid, mobile: '886911222333' };
  assert.equal(await node.pipeline.messages.deleteScheduled({ ...message, mobile: '886911222334' }), false);
  assert.equal(await node.pipeline.messages.deleteScheduled(message), true);
  assert.equal(await node.pipeline.messages.deleteScheduled(message), false);
  assert.equal(await node.finalState(msgid, '0911222333'), 'DELETED');
  assert.equal(await node.balance(), balance);
  const refund = (await node.events(msgid)).find((event) => event.kind === 'refund');
  assert.equal(refund?.detail, '1 point');
});

test('without a final receipt a message ends as ACCEPTD or UNKNOWN, and a late receipt corrects UNKNOWN', async () => {
  const acceptd = await node.sendAccepted('0900000004', 'accepted only', { validitySeconds: 300 });
  const silent = await node.sendAccepted('0900000029', 'never answered', { validitySeconds: 300 });
  await eventually('the accepted receipt', async () =>
    (await node.events(acceptd)).some((event) => event.kind === 'receipt') ? true : undefined,
  );
  await eventually('the second unknown outcome', async () =>
    (await node.events(silent)).filter((event) => event.kind === 'outcome-unknown').length === 2 ? true : undefined,
  );
  await moveTime(400_000);
  assert.equal(await node.finalState(acceptd, '0900000004'), 'ACCEPTD');
  assert.equal(await node.finalState(silent, '0900000029'), 'UNKNOWN');
  assert.equal((await node.rows('SELECT 1 FROM messages WHERE msgid = $1 AND correctable', [silent])).length, 1);
});

test('a message that expires in the queue is refunded', async () => {
  const balance = await node.balance();
  const operator = await node.rows<{ operator_id: number }>('SELECT operator_id FROM operators');
  await node.rows('UPDATE operators SET enabled = false, version = version + 1');
  await eventually('the operator to be down', async () =>
    node.pipeline.directory.isUp(operator[0]?.operator_id ?? 0) ? undefined : true,
  );
  const outcome = await node.send('0911222333', 'too late', { validitySeconds: 300 });
  assert.equal(outcome.kind, 'not-stored', 'no enabled operator carries the number');
  await node.rows('UPDATE operators SET enabled = true, version = version + 1');
  await node.rows(`UPDATE operators SET settings = settings || '{"port": 1}'`);
  await node.pipeline.directory.refresh();
  const msgid = await node.sendAccepted('0911222333', 'too late', { validitySeconds: 300 });
  await moveTime(400_000);
  assert.equal(await node.finalState(msgid, '0911222333'), 'EXPIRED');
  assert.equal(await node.balance(), balance);
});
