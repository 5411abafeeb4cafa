import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { startScriptedOperator, type ScriptedOperator, type Submit } from '../../harness/scripted-operator.ts';
import { eventually, moveTime, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const MOBILE = '0911222333';
const LONG = '飛鴿傳書'.repeat(80);
const GRACE_MS = 60_000;

let node: SmsNode;
let operator: ScriptedOperator;
let script: (submit: Submit) => void;

before(async () => {
  operator = await startScriptedOperator((submit) => script(submit));
  node = await startSmsNode({
    receiptGraceMs: GRACE_MS,
    operatorSettings: { port: operator.port, unknownPolicy: 'hold', responseTimeoutMs: 300 },
  });
});
after(async () => {
  await node.stop();
  await operator.stop();
});
beforeEach(() => {
  script = (submit) => submit.accept(`id${submit.n}`);
});

/** The ids under which a message's segments went out, in order. */
async function sentIds(msgid: number, segments: number): Promise<string[]> {
  return eventually(`${segments} submits`, async () => {
    const sent = (await node.events(msgid)).filter((event) => event.kind === 'submitted');
    return sent.length === segments ? sent.map((event) => event.operator_message_id ?? '') : undefined;
  });
}

async function flights(msgid: number): Promise<number> {
  const [row] = await node.rows<{ n: number }>('SELECT count(*)::int AS n FROM in_flight WHERE msgid = $1', [msgid]);
  return row?.n ?? -1;
}

async function stillPending(msgid: number): Promise<boolean> {
  return (await node.lookUp(msgid, MOBILE)).kind === 'pending';
}

test('an operator that gives all segments the same id does not hold up what is recorded', async () => {
  script = (submit) => submit.accept('same');
  const msgid = await node.sendAccepted(MOBILE, LONG);
  const other = await node.sendAccepted(MOBILE, 'short');
  await eventually('an empty queue', async () =>
    (await node.rows('SELECT 1 FROM queue')).length === 0 ? true : undefined,
  );
  assert.equal(await flights(msgid), 5, 'each segment waits, one under the id and the others without');
  assert.equal(await flights(other), 1);
});

test('a receipt for another recipient leaves the segment with its id alone', async () => {
  const msgid = await node.sendAccepted(MOBILE, 'mine');
  const [id = ''] = await sentIds(msgid, 1);
  const answer = await operator.receipt({ id, stat: 'UNDELIV', from: '886999888777' });
  assert.equal(answer.kind === 'response' && answer.status, 0, 'it is kept');
  await moveTime(node, 5_000);
  await eventually('the foreign receipt to be tried again', async () => {
    const kept = await node.rows<{ tries: number }>(
      "SELECT receipt_attempts AS tries FROM in_flight WHERE msgid IS NULL AND mobile = '886999888777'",
    );
    return (kept[0]?.tries ?? 0) > 0 ? true : undefined;
  });
  assert.ok(await stillPending(msgid));
  await operator.receipt({ id, stat: 'DELIVRD' });
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
});

test('a segment does not take the receipt that is kept under its id for another recipient', async () => {
  await operator.receipt({ id: 'reused', stat: 'UNDELIV', from: '886999888777' });
  script = (submit) => submit.accept('reused');
  const msgid = await node.sendAccepted(MOBILE, 'mine too');
  await eventually('the segment to wait', async () => ((await flights(msgid)) === 1 ? true : undefined));
  assert.ok(await stillPending(msgid));
  await operator.receipt({ id: 'reused', stat: 'DELIVRD' });
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  const kept = await node.rows("SELECT 1 FROM in_flight WHERE msgid IS NULL AND mobile = '886999888777'");
  assert.ok(kept.length > 0, 'the other recipient keeps its receipt');
});

test('a receipt whose id holds a NUL does not fail those that come with it', async () => {
  const msgid = await node.sendAccepted(MOBILE, 'beside a broken one');
  const [id = ''] = await sentIds(msgid, 1);
  const broken = operator.receipt({ id: 'a\0b', stat: 'DELIVRD' });
  const good = operator.receipt({ id, stat: 'DELIVRD' });
  for (const answer of [await broken, await good]) assert.equal(answer.kind === 'response' && answer.status, 0);
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
});

test('an ACCEPTD that is matched by the reference only counts as the last word', async () => {
  script = () => {};
  const msgid = await node.sendAccepted(MOBILE, 'no response', { validitySeconds: 300 });
  await eventually('the unknown outcome', async () => ((await flights(msgid)) === 1 ? true : undefined));
  await operator.receipt({ id: 'never seen', stat: 'ACCEPTD', reference: (msgid * 8 + 1) % 65_536 });
  await eventually('the receipt to be shown', async () =>
    (await node.events(msgid)).some((event) => event.kind === 'receipt') ? true : undefined,
  );
  await moveTime(node, 300_000 + GRACE_MS + 1_000);
  assert.equal(await node.finalState(msgid, MOBILE), 'ACCEPTD');
});

test('an ACCEPTD that comes before the response is the last word too, and is shown', async () => {
  script = (submit) =>
    void operator.receipt({ id: `early${submit.n}`, stat: 'ACCEPTD' }).then(() => submit.accept(`early${submit.n}`));
  const msgid = await node.sendAccepted(MOBILE, 'accepted early', { validitySeconds: 300 });
  await eventually('the receipt to be shown', async () =>
    (await node.events(msgid)).some((event) => event.kind === 'receipt') ? true : undefined,
  );
  await moveTime(node, 300_000 + GRACE_MS + 1_000);
  assert.equal(await node.finalState(msgid, MOBILE), 'ACCEPTD');
});

test('five receipts at once end a long message once, with the worst of their states', async () => {
  const msgid = await node.sendAccepted(MOBILE, LONG, { drurl: 'http://127.0.0.1:9/cb' });
  const ids = await sentIds(msgid, 5);
  const stats = ['DELIVRD', 'EXPIRED', 'UNDELIV', 'DELIVRD', 'REJECTD'];
  await Promise.all(ids.map((id, index) => operator.receipt({ id, stat: stats[index] ?? '' })));
  assert.equal(await node.finalState(msgid, MOBILE), 'REJECTD');
  assert.equal((await node.rows('SELECT 1 FROM outbox WHERE msgid = $1', [msgid])).length, 1);
});

test('a late receipt corrects an UNKNOWN by time-out once, with a second callback', async () => {
  const msgid = await node.sendAccepted(MOBILE, 'late', { validitySeconds: 300, drurl: 'http://127.0.0.1:9/cb' });
  const [id = ''] = await sentIds(msgid, 1);
  await moveTime(node, 300_000 + GRACE_MS + 1_000);
  assert.equal(await node.finalState(msgid, MOBILE), 'UNKNOWN');
  await operator.receipt({ id, stat: 'DELIVRD' });
  await operator.receipt({ id, stat: 'UNDELIV' });
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  const owed = await node.rows<{ state: string }>('SELECT state FROM outbox WHERE msgid = $1 ORDER BY callback_id', [
    msgid,
  ]);
  assert.deepEqual(
    owed.map((row) => row.state),
    ['UNKNOWN', 'DELIVRD'],
  );
});

test('a long message that timed out is corrected when all its late receipts are there, not before', async () => {
  const msgid = await node.sendAccepted(MOBILE, '飛鴿傳書'.repeat(30), {
    validitySeconds: 300,
    drurl: 'http://127.0.0.1:9/cb',
  });
  const [first = '', second = ''] = await sentIds(msgid, 2);
  await moveTime(node, 300_000 + GRACE_MS + 1_000);
  assert.equal(await node.finalState(msgid, MOBILE), 'UNKNOWN');
  await operator.receipt({ id: first, stat: 'DELIVRD' });
  await operator.receipt({ id: second, stat: 'DELIVRD' });
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  const owed = await node.rows<{ state: string }>('SELECT state FROM outbox WHERE msgid = $1 ORDER BY callback_id', [
    msgid,
  ]);
  assert.deepEqual(
    owed.map((row) => row.state),
    ['UNKNOWN', 'DELIVRD'],
  );
});

test('a definite failure of one segment outweighs the silence of another and stays', async () => {
  const msgid = await node.sendAccepted(MOBILE, '飛鴿傳書'.repeat(30), { validitySeconds: 300 });
  const [first = '', second = ''] = await sentIds(msgid, 2);
  await operator.receipt({ id: first, stat: 'UNDELIV' });
  await moveTime(node, 300_000 + GRACE_MS + 1_000);
  assert.equal(await node.finalState(msgid, MOBILE), 'UNDELIV');
  await operator.receipt({ id: second, stat: 'DELIVRD' });
  assert.equal(await node.finalState(msgid, MOBILE), 'UNDELIV');
});
