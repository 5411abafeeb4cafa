import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, startSmsNode } from '../../harness/sms-node.ts';

test('an operator that says hold gets a message of unknown outcome once only', async () => {
  const node = await startSmsNode({ operatorSettings: { unknownPolicy: 'hold' } });
  try {
    const msgid = await node.sendAccepted('0900000029', 'hold me');
    const events = await eventually('the unknown outcome', async () => {
      const seen = (await node.events(msgid)).filter((event) => event.kind === 'outcome-unknown');
      return seen.length > 0 ? seen : undefined;
    });
    assert.match(events[0]?.detail ?? '', /waits for a receipt/);
    const waiting = await node.rows<{ n: number }>('SELECT count(*)::int AS n FROM queue WHERE msgid = $1', [msgid]);
    assert.equal(waiting[0]?.n, 0);
    assert.equal(await node.balance(), 999, 'nobody knows whether the operator took it: no refund');
  } finally {
    await node.stop();
  }
});

test('a receipt with the user_message_reference settles a message whose response never came', async () => {
  const node = await startSmsNode({ operatorSettings: { unknownPolicy: 'hold' } });
  try {
    const msgid = await node.sendAccepted('0900000025', 'cut once');
    assert.equal(await node.finalState(msgid, '0900000025'), 'DELIVRD');
    const kinds = (await node.events(msgid)).map((event) => event.kind);
    assert.deepEqual(
      kinds.filter((kind) => kind === 'outcome-unknown'),
      ['outcome-unknown'],
    );
  } finally {
    await node.stop();
  }
});

test('what a dead node had claimed is taken over and sent once more', async () => {
  const node = await startSmsNode();
  try {
    const [dead] = await node.rows<{ epoch: number }>(
      "INSERT INTO nodes (name, started_at, deadline) VALUES ('dead', now(), now() - interval '1 second') RETURNING epoch",
    );
    const msgid = 100_000_777;
    await node.rows(
      `INSERT INTO messages (msgid, account_id, accepted_at, due_at, expires_at, scheduled, mobile, body, segments, points)
       VALUES (${msgid}, ${node.accountId}, now(), now(), now() + interval '1 hour', false, '886911222333', 'orphan', 1, 1)`,
    );
    await node.rows(
      `INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, accepted_at, expires_at, claimed_by)
       VALUES (${msgid}, ${node.operatorId}, 1, ${node.accountId}, '886911222333', 'orphan', 1, now(), now() + interval '1 hour', ${dead?.epoch})`,
    );
    assert.equal(await node.finalState(msgid, '0911222333'), 'DELIVRD');
    const kinds = (await node.events(msgid)).map((event) => event.kind);
    assert.equal(kinds[0], 'outcome-unknown');
    const left = await eventually('the dead epoch to be forgotten', async () => {
      const rows = await node.rows("SELECT 1 FROM nodes WHERE name = 'dead'");
      return rows.length === 0 ? rows : undefined;
    });
    assert.equal(left.length, 0);
  } finally {
    await node.stop();
  }
});
