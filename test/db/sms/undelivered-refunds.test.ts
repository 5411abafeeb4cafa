import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ScriptedOperator, startScriptedOperator } from '../../harness/scripted-operator.ts';
import { eventually, moveTime, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';
import { checkLedger } from '../../../src/store/ledger.ts';

const MOBILE = '0911222333';
const TWO_SEGMENTS = '飛鴿傳書'.repeat(30);

let node: SmsNode;
let operator: ScriptedOperator;
let early: string | undefined;

before(async () => {
  operator = await startScriptedOperator((submit) => {
    const id = `id${submit.n}`;
    if (early === undefined) submit.accept(id);
    else void operator.receipt({ id, stat: early }).then(() => submit.accept(id));
  });
  // The platform's own setting says no, this operator's says yes.
  node = await startSmsNode({
    receiptGraceMs: 60_000,
    operatorSettings: { port: operator.port, refundUndelivered: true },
  });
});
after(async () => {
  await node.stop();
  await operator.stop();
});

async function sentIds(msgid: number, segments: number): Promise<string[]> {
  return eventually(`${segments} submits`, async () => {
    const sent = (await node.events(msgid)).filter((event) => event.kind === 'submitted');
    return sent.length === segments ? sent.map((event) => event.operator_message_id ?? '') : undefined;
  });
}

test('what the operator took and could not deliver is refunded when its setting says so', async () => {
  const balance = await node.balance();
  const msgid = await node.sendAccepted(MOBILE, 'undelivered');
  const [id = ''] = await sentIds(msgid, 1);
  await operator.receipt({ id, stat: 'UNDELIV' });
  assert.equal(await node.finalState(msgid, MOBILE), 'UNDELIV');
  assert.equal(await node.balance(), balance);
});

test('a receipt that comes before the response refunds by the same setting', async () => {
  early = 'UNDELIV';
  const balance = await node.balance();
  const msgid = await node.sendAccepted(MOBILE, 'undelivered early');
  assert.equal(await node.finalState(msgid, MOBILE), 'UNDELIV');
  assert.equal(await node.balance(), balance);
  early = undefined;
});

for (const [order, stats] of [
  ['first', ['UNDELIV', 'DELIVRD']],
  ['last', ['DELIVRD', 'UNDELIV']],
] as const) {
  test(`a long message of which one segment failed is refunded whole, the failure ${order}`, async () => {
    const balance = await node.balance();
    const msgid = await node.sendAccepted(MOBILE, TWO_SEGMENTS);
    const ids = await sentIds(msgid, 2);
    for (const [index, id] of ids.entries()) await operator.receipt({ id, stat: stats[index] ?? '' });
    assert.equal(await node.finalState(msgid, MOBILE), 'UNDELIV');
    assert.equal(await node.balance(), balance);
  });
}

test('an UNKNOWN by time-out is not refunded, its correction to UNDELIV is', async () => {
  const balance = await node.balance();
  const msgid = await node.sendAccepted(MOBILE, 'silent', { validitySeconds: 300 });
  const [id = ''] = await sentIds(msgid, 1);
  await moveTime(node, 400_000);
  assert.equal(await node.finalState(msgid, MOBILE), 'UNKNOWN');
  assert.equal(await node.balance(), balance - 1);
  await operator.receipt({ id, stat: 'UNDELIV' });
  assert.equal(await node.finalState(msgid, MOBILE), 'UNDELIV');
  assert.equal(await node.balance(), balance);
});

test('what is delivered is never refunded, and the ledger agrees', async () => {
  const balance = await node.balance();
  const msgid = await node.sendAccepted(MOBILE, 'delivered');
  const [id = ''] = await sentIds(msgid, 1);
  await operator.receipt({ id, stat: 'DELIVRD' });
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  assert.equal(await node.balance(), balance - 1);
  assert.deepEqual((await checkLedger(node.database)).mismatches, []);
});
