import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ScriptedOperator, startScriptedOperator } from '../../harness/scripted-operator.ts';
import { eventually, moveTime, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const MOBILE = '0911222333';
const VALIDITY_SECONDS = 300;
const GRACE_MS = 60_000;
const DELIVERED = 2;

let node: SmsNode;
let operator: ScriptedOperator;
before(async () => {
  operator = await startScriptedOperator((submit) => submit.accept(`id${submit.n}`));
  node = await startSmsNode({
    receiptGraceMs: GRACE_MS,
    operatorSettings: { port: operator.port, querySm: true },
  });
});
after(async () => {
  await node.stop();
  await operator.stop();
});

async function sentAndOverdue(text: string): Promise<number> {
  const msgid = await node.sendAccepted(MOBILE, text, { validitySeconds: VALIDITY_SECONDS });
  await eventually('the submit', async () =>
    (await node.events(msgid)).some((event) => event.kind === 'submitted') ? true : undefined,
  );
  await moveTime(node, VALIDITY_SECONDS * 1000 + GRACE_MS + 1_000);
  return msgid;
}

test('an operator is asked about an overdue segment, and its answer is the final state', async () => {
  operator.answerQueries(DELIVERED);
  const msgid = await sentAndOverdue('asked about');
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  assert.deepEqual(operator.queries, ['id1']);
  assert.ok((await node.events(msgid)).some((event) => event.detail?.startsWith('query_sm')));
});

test('an operator that cannot say leaves the segment UNKNOWN, and is asked once', async () => {
  operator.answerQueries(undefined);
  const msgid = await sentAndOverdue('asked in vain');
  await eventually('the question', async () => (operator.queries.includes('id2') ? true : undefined));
  await moveTime(node, 40_000);
  assert.equal(await node.finalState(msgid, MOBILE), 'UNKNOWN');
  assert.equal(operator.queries.filter((id) => id === 'id2').length, 1);
});
