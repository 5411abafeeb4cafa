import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, moveTime, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

let node: SmsNode;
before(async () => {
  node = await startSmsNode();
});
after(() => node.stop());

const TEXT = 'your code is 123456';

for (const { mobile, state, why } of [
  { mobile: '0911222333', state: 'DELIVRD', why: 'an ordinary number' },
  { mobile: '0900000000', state: 'DELIVRD', why: 'a number that is delivered' },
  { mobile: '0900000001', state: 'EXPIRED', why: 'a receipt says EXPIRED' },
  { mobile: '0900000002', state: 'DELETED', why: 'a receipt says DELETED' },
  { mobile: '0900000003', state: 'UNDELIV', why: 'a receipt says UNDELIV' },
  { mobile: '0900000005', state: 'UNKNOWN', why: 'a receipt says UNKNOWN' },
  { mobile: '0900000006', state: 'REJECTD', why: 'a receipt says REJECTD' },
  { mobile: '0900000007', state: 'SYNTAXE', why: 'the submit is refused with 0x02' },
  { mobile: '0900000008', state: 'MOBERROR', why: 'the submit is refused with 0x0B' },
  { mobile: '0900000009', state: 'MSGERROR', why: 'the submit is refused with 0x01' },
  { mobile: '0900000010', state: 'OTERROR', why: 'the submit is refused with 0xFF' },
  { mobile: '0900000012', state: 'REJMOBIL', why: 'the submit is refused with 0x0480' },
  { mobile: '0900000020', state: 'DELIVRD', why: 'the first submit is not answered' },
  { mobile: '0900000021', state: 'DELIVRD', why: 'it is throttled twice' },
  { mobile: '0900000022', state: 'DELIVRD', why: 'the receipt comes before the response' },
  { mobile: '0900000023', state: 'DELIVRD', why: 'the receipt comes three times' },
  { mobile: '0900000024', state: 'DELIVRD', why: 'the id is hex in the response and decimal in the receipt' },
  { mobile: '0900000025', state: 'DELIVRD', why: 'the connection is cut after the submit' },
  { mobile: '0900000028', state: 'DELIVRD', why: 'the id is zero-padded in the receipt and there are no TLVs' },
]) {
  test(`a message to ${mobile} ends as ${state}: ${why}`, async () => {
    const before = await node.balance();
    const msgid = await node.sendAccepted(mobile, TEXT);
    assert.equal(await node.finalState(msgid, mobile), state);
    const refused = (await node.events(msgid)).some((event) => event.kind === 'refused');
    assert.equal(await node.balance(), refused ? before : before - 1);
  });
}

test('a long message whose receipts come in reverse order is delivered once, as one', async () => {
  const text = '飛鴿傳書'.repeat(50);
  const msgid = await node.sendAccepted('0900000027', text);
  assert.equal(await node.finalState(msgid, '0900000027'), 'DELIVRD');
  const receipts = (await node.events(msgid)).filter((event) => event.kind === 'receipt');
  assert.equal(receipts.length, 3);
});

test('nothing of a settled message is left in the queue, in flight or elsewhere', async () => {
  const msgid = await node.sendAccepted('0911000111', TEXT);
  assert.equal(await node.finalState(msgid, '0911000111'), 'DELIVRD');
  const left = await node.rows<{ n: number }>(
    'SELECT ((SELECT count(*) FROM queue WHERE msgid = $1) + (SELECT count(*) FROM in_flight WHERE msgid = $1) + (SELECT count(*) FROM deferred WHERE msgid = $1))::int AS n',
    [msgid],
  );
  assert.equal(left[0]?.n, 0);
});

// These two move the clock.

async function seen(msgid: number, kind: string, times: number): Promise<void> {
  await eventually(`${kind}, ${times} times`, async () =>
    (await node.events(msgid)).filter((event) => event.kind === kind).length >= times ? true : undefined,
  );
}

test('a message to 0900000030, full for ten seconds, is put off twice and then delivered', async () => {
  const msgid = await node.sendAccepted('0900000030', TEXT);
  await seen(msgid, 'put-off', 1);
  await moveTime(node, 6_000);
  await seen(msgid, 'put-off', 2);
  await moveTime(node, 11_000);
  assert.equal(await node.finalState(msgid, '0900000030'), 'DELIVRD');
  const refusals = (await node.events(msgid)).filter((event) => event.kind === 'put-off');
  assert.deepEqual(
    refusals.map(({ status, detail }) => [status, detail]),
    [
      [0x14, 'tried again in 5 s'],
      [0x14, 'tried again in 10 s'],
    ],
  );
});

test('a message to 0900000026, whose receipt is 30 s late, is pending until then and delivered by it', async () => {
  const msgid = await node.sendAccepted('0900000026', TEXT);
  await seen(msgid, 'submitted', 1);
  await moveTime(node, 20_000);
  assert.equal((await node.lookUp(msgid, '0900000026')).kind, 'pending');
  await moveTime(node, 11_000);
  assert.equal(await node.finalState(msgid, '0900000026'), 'DELIVRD');
});
