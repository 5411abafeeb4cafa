import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checkLedger } from '../../../src/store/ledger.ts';
import { dropOldPartitions, makePartitions, nextMsgid } from '../../../src/store/partitions.ts';
import { type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const LAST_MSGID = 99_999_999_999;
const BLOCK = 1_000;
const MOBILE = '0911222333';
const HOUR_MS = 3_600_000;

let node: SmsNode;
before(async () => {
  node = await startSmsNode({
    acceptLingerMs: 50,
    points: 2_000,
    prepare: async (database) => {
      const text = 'SELECT setval($1, $2)';
      await database.query({ name: 'test-near-the-end', text }, ['msgid_blocks', LAST_MSGID + 1 - 2 * BLOCK]);
      await makePartitions(database);
    },
  });
});
after(() => node.stop());

/** Accepted in one batch, to be sent in an hour. */
async function sendTogether(messages: number): Promise<{ kind: string; msgid?: number }[]> {
  const [account] = await node.rows<{ version: number }>('SELECT version FROM accounts');
  return Promise.all(
    Array.from({ length: messages }, () =>
      node.pipeline.acceptance.accept({
        accountId: node.accountId,
        accountVersion: account?.version ?? 0,
        mobile: '886911222333',
        body: 'x',
        segments: 1,
        points: 1,
        dueAtMs: node.clock.now() + HOUR_MS,
        validitySeconds: 300,
        drurl: undefined,
        sourceAddress: undefined,
      }),
    ),
  );
}

test('the last msgids are handed out to the last one, and then nothing is accepted and nothing charged', async () => {
  const balance = await node.balance();
  const first = await sendTogether(500);
  const second = await sendTogether(498);
  assert.deepEqual(
    [...first, ...second].map(({ msgid }) => msgid),
    Array.from({ length: 998 }, (_, place) => LAST_MSGID + 1 - BLOCK + place),
  );
  assert.deepEqual(await sendTogether(3), Array(3).fill({ kind: 'not-stored' }), 'there are two');
  assert.equal(await node.sendAccepted(MOBILE, 'the last but one'), LAST_MSGID - 1);
  const last = await node.sendAccepted(MOBILE, 'the last');
  assert.equal(last, LAST_MSGID);
  for (let turn = 0; turn < 2; turn += 1) assert.deepEqual(await sendTogether(1), [{ kind: 'not-stored' }]);
  assert.equal(await node.balance(), balance - BLOCK);
  assert.deepEqual((await checkLedger(node.database)).mismatches, []);
  assert.equal(await node.finalState(last, MOBILE), 'DELIVRD');
});

test('beyond the last msgid there are no partitions to make or to drop, and none are left to hand out', async () => {
  await makePartitions(node.database);
  assert.equal(LAST_MSGID + 1 - (await nextMsgid(node.database)), 0);
  const beyond = await node.rows(
    "SELECT relname FROM pg_class WHERE relname ~ '^(messages|calls|message_events)_[0-9]{12}$'",
  );
  assert.deepEqual(beyond, []);
  const drop = () => dropOldPartitions(node.database, node.clock.now() - HOUR_MS);
  // Those of the first msgids were made before this database was set near its end.
  await drop();
  assert.deepEqual(await drop(), { dropped: [], disagreeing: [] }, 'what was dropped is not dropped again');
});
