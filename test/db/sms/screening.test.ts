import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addFilterWord, addOptOut } from '../../../src/store/filter-admin.ts';
import { type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

let node: SmsNode;
before(async () => {
  node = await startSmsNode({
    prepare: async (database) => {
      await addFilterWord(database, { word: '賭場', username: null });
      await addFilterWord(database, { word: 'casino', username: 'customer' });
      await addOptOut(database, { mobile: '886911000999', username: null });
    },
  });
});
after(() => node.stop());

for (const [text, mobile, state] of [
  ['線上賭場優惠', '0911222333', 'REJERROR'],
  ['visit our CASINO', '0911222333', 'REJERROR'],
  ['hello', '0911000999', 'REJMOBIL'],
] as const) {
  test(`«${text}» to ${mobile} is accepted, charged, ends as ${state} and is refunded`, async () => {
    const balance = await node.balance();
    const msgid = await node.sendAccepted(mobile, text);
    assert.equal(await node.finalState(msgid, mobile), state);
    assert.equal(await node.balance(), balance);
    const [refund] = await node.rows<{ points: number }>(
      "SELECT points FROM ledger WHERE kind = 'refund' AND first_msgid = $1",
      [msgid],
    );
    assert.equal(refund?.points, 1);
  });
}
