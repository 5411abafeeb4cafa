import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { type ScriptedOperator, startScriptedOperator, type Submit } from '../../harness/scripted-operator.ts';
import { eventually, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const MOBILE = '0911222333';
const THREE_SEGMENTS = '飛鴿傳書'.repeat(50);

let node: SmsNode;
let operator: ScriptedOperator;
let script: (submit: Submit) => void;
let first: number;

before(async () => {
  operator = await startScriptedOperator((submit) => script(submit));
  node = await startSmsNode({ operatorSettings: { port: operator.port, responseTimeoutMs: 10_000 } });
});
after(async () => {
  await node.stop();
  await operator.stop();
});
beforeEach(() => {
  first = operator.submits.length;
});

const accept = (submit: Submit): void => submit.accept(`id${submit.n}`);

function submits(): readonly Submit[] {
  return operator.submits.slice(first);
}

function sequences(): (number | undefined)[] {
  return submits().map((submit) => submit.part?.sequence);
}

async function leftQueue(msgid: number): Promise<void> {
  await eventually('an empty queue', async () =>
    (await node.rows('SELECT 1 FROM queue WHERE msgid = $1', [msgid])).length === 0 ? true : undefined,
  );
}

async function deliverAll(msgid: number): Promise<void> {
  await leftQueue(msgid);
  for (const row of await node.rows<{ id: string }>(
    'SELECT operator_message_id AS id FROM in_flight WHERE msgid = $1',
    [msgid],
  )) {
    await operator.receipt({ id: row.id, stat: 'DELIVRD' });
  }
}

test('a segment refused in the middle stops the rest, gives the state, and refunds nothing', async () => {
  script = (submit) => (submit.part?.sequence === 2 ? submit.refuse(0x0b) : accept(submit));
  const balance = await node.balance();
  const msgid = await node.sendAccepted(MOBILE, THREE_SEGMENTS);
  assert.equal(await node.finalState(msgid, MOBILE), 'MOBERROR');
  assert.deepEqual(sequences(), [1, 2]);
  assert.equal(await node.balance(), balance - 3, 'an operator took a part of it');
  await operator.receipt({ id: `id${first + 1}`, stat: 'DELIVRD' });
  assert.equal(
    await node.finalState(msgid, MOBILE),
    'MOBERROR',
    'the receipt of the part that went out changes nothing',
  );
});

test('a first segment that is refused ends the message refunded', async () => {
  script = (submit) => submit.refuse(0x0b);
  const balance = await node.balance();
  const msgid = await node.sendAccepted(MOBILE, THREE_SEGMENTS);
  assert.equal(await node.finalState(msgid, MOBILE), 'MOBERROR');
  assert.deepEqual(sequences(), [1]);
  assert.equal(await node.balance(), balance);
});

test('after a cut in the middle only the missing segments go out, with the same reference', async () => {
  let cut = false;
  script = (submit) => {
    if (submit.part?.sequence !== 2 || cut) return accept(submit);
    cut = true;
    submit.cut();
  };
  const msgid = await node.sendAccepted(MOBILE, THREE_SEGMENTS);
  await eventually('all segments', async () => (submits().length === 4 ? true : undefined));
  assert.deepEqual(sequences(), [1, 2, 2, 3]);
  assert.equal(new Set(submits().map((submit) => submit.part?.reference)).size, 1);
  await deliverAll(msgid);
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
});

test('a segment whose second outcome is unknown too waits for its receipt, and the rest goes out', async () => {
  let cuts = 0;
  script = (submit) => {
    if (submit.part?.sequence !== 2 || cuts === 2) return accept(submit);
    cuts += 1;
    submit.cut();
  };
  const msgid = await node.sendAccepted(MOBILE, THREE_SEGMENTS);
  // The second cut takes the link away: the third segment goes out when it is bound again.
  await eventually('all segments', async () => (submits().length === 4 ? true : undefined));
  assert.deepEqual(sequences(), [1, 2, 2, 3]);
  await leftQueue(msgid);
  for (const submit of [1, 4]) await operator.receipt({ id: `id${first + submit}`, stat: 'DELIVRD' });
  assert.equal((await node.lookUp(msgid, MOBILE)).kind, 'pending');
  await operator.receipt({ id: 'untold', stat: 'DELIVRD', reference: (msgid * 8 + 2) % 65_536 });
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
});

test('a segment that is throttled goes again alone, in its old place', async () => {
  let throttled = false;
  script = (submit) => {
    if (submit.part?.sequence !== 3 || throttled) return accept(submit);
    throttled = true;
    submit.refuse(0x58);
  };
  const msgid = await node.sendAccepted(MOBILE, THREE_SEGMENTS);
  await eventually('all segments', async () => (submits().length === 4 ? true : undefined));
  assert.deepEqual(sequences(), [1, 2, 3, 3]);
  await deliverAll(msgid);
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
});
