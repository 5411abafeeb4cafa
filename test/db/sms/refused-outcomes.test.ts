import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type ScriptedOperator, startScriptedOperator, type Submit } from '../../harness/scripted-operator.ts';
import { eventually, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const MOBILE = '0911222333';
/** More than an index of PostgreSQL holds in one entry, and nothing that could be compressed. */
const ENDLESS_ID = randomBytes(4_000).toString('hex');

let operator: ScriptedOperator;
let node: SmsNode;
let script: (submit: Submit) => void = (submit) => submit.accept(`id${submit.n}`);

before(async () => {
  operator = await startScriptedOperator((submit) => script(submit));
  node = await startSmsNode({ operatorSettings: { port: operator.port } });
});
after(async () => {
  await node.stop();
  await operator.stop();
});

test('an outcome that the database refuses holds up no other, and its message waits for a receipt', async () => {
  const waiting: Submit[] = [];
  script = (submit) => {
    waiting.push(submit);
    if (waiting.length < 3) return;
    // Answered together, so that their outcomes are of one batch.
    for (const [index, one] of waiting.entries()) one.accept(index === 1 ? ENDLESS_ID : `good${one.n}`);
  };
  const texts = ['one', 'two', 'three'];
  const msgids = await Promise.all(texts.map((text) => node.sendAccepted(MOBILE, text)));
  await eventually('an empty queue', async () =>
    (await node.rows('SELECT 1 FROM queue')).length === 0 ? true : undefined,
  );
  const faulty = msgids[texts.indexOf(waiting[1]?.message.shortMessage.toString('latin1') ?? '')] ?? 0;
  for (const one of waiting) if (one !== waiting[1]) await operator.receipt({ id: `good${one.n}`, stat: 'DELIVRD' });
  for (const msgid of msgids) if (msgid !== faulty) assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  const [event] = await node.events(faulty);
  assert.equal(event?.kind, 'outcome-unknown');
  assert.match(event?.detail ?? '', /the database refused .* waits for a receipt/);
  assert.equal(operator.submits.length, 3, 'it is not sent again');
  await operator.receipt({ id: 'whatever', stat: 'DELIVRD', reference: (faulty * 8 + 1) % 65_536 });
  assert.equal(await node.finalState(faulty, MOBILE), 'DELIVRD');
});

test('a receipt whose id no segment can have does not fail those that come with it', async () => {
  script = (submit) => submit.accept(`id${submit.n}`);
  const msgid = await node.sendAccepted(MOBILE, 'beside an endless id');
  const id = await eventually(
    'the submit',
    async () => (await node.events(msgid))[0]?.operator_message_id ?? undefined,
  );
  const answers = await Promise.all([
    operator.receipt({ id: ENDLESS_ID.slice(0, 900), stat: 'DELIVRD' }),
    operator.deliver({
      esmClass: 4,
      shortMessage: Buffer.alloc(0),
      tlvs: { receiptedMessageId: ENDLESS_ID, messageState: 2 },
    }),
    operator.receipt({ id, stat: 'DELIVRD' }),
  ]);
  for (const answer of answers) assert.equal(answer.kind === 'response' && answer.status, 0);
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
});
