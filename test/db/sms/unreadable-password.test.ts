import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, startSmsNode } from '../../harness/sms-node.ts';

/** Under a key that nobody has. */
const SEALED = JSON.stringify({ sealed: `v1.deadbeef.${'A'.repeat(60)}` });

test('an operator whose password cannot be read is not bound, and the others carry its messages', async () => {
  const node = await startSmsNode({
    prepare: (database) =>
      database.query(
        {
          name: 'test-unreadable',
          text: `WITH added AS (
              INSERT INTO operators (name, settings)
              SELECT 'unreadable', settings || jsonb_build_object('password', $1::jsonb, 'priority', 1) FROM operators
              RETURNING operator_id)
            INSERT INTO link_slots (operator_id, slot) SELECT operator_id, 0 FROM added`,
        },
        [SEALED],
      ),
  });
  try {
    const msgid = await node.sendAccepted('0911222333', 'x');
    assert.equal(await node.finalState(msgid, '0911222333'), 'DELIVRD');
    const slots = await node.rows(
      `SELECT name, epoch IS NOT NULL AS taken FROM link_slots JOIN operators USING (operator_id) ORDER BY name`,
    );
    assert.deepEqual(slots, [
      { name: 'simulator', taken: true },
      { name: 'unreadable', taken: false },
    ]);
  } finally {
    await node.stop();
  }
});

test('links stay bound when their password is sealed under a key that this node does not have yet', async () => {
  const node = await startSmsNode();
  try {
    await node.rows(`UPDATE operators SET settings = jsonb_set(settings, '{password}', $1::jsonb)`, [SEALED]);
    await eventually('the directory to have read it', async () =>
      node.pipeline.directory.find(node.operatorId)?.passwordProblem === undefined ? undefined : true,
    );
    const msgid = await node.sendAccepted('0911222333', 'x');
    assert.equal(await node.finalState(msgid, '0911222333'), 'DELIVRD');
  } finally {
    await node.stop();
  }
});
