import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replayCallback } from '../../../src/store/outbox-admin.ts';
import { checkLedger } from '../../../src/store/ledger.ts';
import { dropOldPartitions } from '../../../src/store/partitions.ts';
import { eventually } from '../../harness/sms-node.ts';
import { startVoiceNode } from '../../harness/voice-node.ts';

const SECOND_PARTITION = 110_000_000;
const FAR_AHEAD_MS = Date.parse('2100-01-01T00:00:00Z');

test('old calls go with their partition, and not before they have ended', async () => {
  const node = await startVoiceNode({}, false);
  await node.sent('0900000100');
  await node.rows(`SELECT setval('msgid_blocks', ${SECOND_PARTITION})`);
  assert.deepEqual((await dropOldPartitions(node.database, FAR_AHEAD_MS)).dropped, []);
  await node.rows("UPDATE calls SET state = 'FarEnd', refunded = 1");
  assert.equal(
    (await dropOldPartitions(node.database, FAR_AHEAD_MS)).disagreeing.length,
    1,
    'a refund without a ledger row',
  );
  await node.rows('UPDATE calls SET refunded = 0');
  assert.deepEqual((await dropOldPartitions(node.database, FAR_AHEAD_MS)).dropped, ['messages_00100000000']);
  assert.deepEqual(await node.rows('SELECT FROM calls'), []);
  assert.deepEqual((await checkLedger(node.database)).mismatches, []);
  await node.stop();
});

test('a call that has ended can be called back again', async () => {
  const node = await startVoiceNode();
  const msgid = await node.sent('0900000101', { response: 'http://a.test/r' });
  await node.final(msgid);
  await node.rows('DELETE FROM outbox');
  const replayed = await replayCallback(node.database, { msgid }, node.clock.now());
  assert.equal(replayed.kind, 'queued');
  const [row] = await eventually('the callback', async () => {
    const rows = await node.rows('SELECT kind, host, state, mobile, payload::json AS payload FROM outbox');
    return rows.length === 1 ? rows : undefined;
  });
  assert.deepEqual(row, {
    kind: 'call',
    host: 'a.test',
    state: 'Busy',
    mobile: '886900000101',
    payload: { seconds: 0, points: 0 },
  });
  await node.stop();
});
