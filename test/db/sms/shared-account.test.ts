import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseOperatorSettings } from '../../../src/domain/operator-settings.ts';
import { addOperator } from '../../../src/store/operators.ts';
import { type ScriptedOperator, startScriptedOperator } from '../../harness/scripted-operator.ts';
import { eventually, moveTime, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const MOBILE = '0911222333';

let operator: ScriptedOperator;
let node: SmsNode;

before(async () => {
  operator = await startScriptedOperator((submit) => submit.accept(`id${submit.n}`), { deliversOver: 'last-bind' });
  node = await startSmsNode({ operatorSettings: { port: operator.port, priority: 1 } });
});
after(async () => {
  await node.stop();
  await operator.stop();
});

/** The scripted operator delivers over the bind that came last: this one's, which carries no messages of its own. */
async function bindAnotherEntry(name: string, systemId: string): Promise<void> {
  const settings = { host: '127.0.0.1', port: operator.port, systemId, password: 'simulate', prefixes: ['1'] };
  const parsed = parseOperatorSettings(settings);
  assert.ok(parsed.ok);
  const added = await addOperator(node.database, { name, enabled: true, settings: parsed.settings });
  assert.ok(added.kind === 'added');
  const { operatorId } = added.operator;
  await eventually('the bind', async () => (node.pipeline.directory.isUp(operatorId) ? true : undefined));
}

async function send(text: string): Promise<{ msgid: number; id: string }> {
  const msgid = await node.sendAccepted(MOBILE, text);
  const id = await eventually('the submit', async () => {
    const sent = (await node.events(msgid)).find((event) => event.kind === 'submitted');
    return sent?.operator_message_id ?? undefined;
  });
  return { msgid, id };
}

test('a receipt that comes over another entry of the same account at the SMSC settles its message', async () => {
  await bindAnotherEntry('second', 'feige');
  const { msgid, id } = await send('one account, two entries');
  await operator.receipt({ id, stat: 'DELIVRD' });
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  await operator.receipt({ id, stat: 'DELIVRD' });
  assert.ok((await node.events(msgid)).some((event) => event.kind === 'receipt-again'));
});

test('a receipt over another account of the SMSC is no receipt of that message', async () => {
  await bindAnotherEntry('stranger', 'somebody-else');
  const { msgid, id } = await send('not yours');
  await operator.receipt({ id, stat: 'UNDELIV' });
  await moveTime(node, 5_000);
  await eventually('the receipt to be tried again', async () => {
    const [kept] = await node.rows<{ tries: number }>(
      'SELECT receipt_attempts AS tries FROM in_flight WHERE msgid IS NULL AND operator_message_id = $1',
      [id],
    );
    return (kept?.tries ?? 0) > 0 ? true : undefined;
  });
  assert.equal((await node.lookUp(msgid, MOBILE)).kind, 'pending');
});
