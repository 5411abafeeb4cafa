import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { type ScriptedOperator, startScriptedOperator, type Submit } from '../../harness/scripted-operator.ts';
import { eventually, moveTime, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const SYSTEM_ERROR = 0x08;
const QUEUE_FULL = 0x14;
const THROTTLED = 0x58;
const APPLICATION_ERROR = 0x64;
/** For so long a link stays silent when the operator says that it is too much. */
const PAUSE_MS = 1_000;
const RECIPIENTS = ['0911000001', '0911000002', '0911000003', '0911000004'] as const;

let operator: ScriptedOperator;
let node: SmsNode;
let script: (submit: Submit) => void;
/** When each submit came, and when it was answered. */
let times: { cameMs: number; answeredMs: number }[];

// With a window of one each message goes out only after the answer to the one before.
beforeEach(async () => {
  times = [];
  script = accept;
  operator = await startScriptedOperator((submit) => {
    times.push({ cameMs: performance.now(), answeredMs: Number.NaN });
    if (submit.n > 1) script(submit);
  });
  node = await startSmsNode({ operatorSettings: { port: operator.port, window: 1, responseTimeoutMs: 10_000 } });
});
afterEach(async () => {
  await node.stop();
  await operator.stop();
});

function accept(submit: Submit): void {
  answered(submit);
  submit.accept(`id${submit.n}`);
}

function refuse(submit: Submit, status: number): void {
  answered(submit);
  submit.refuse(status);
}

function answered({ n }: Submit): void {
  const time = times[n - 1];
  if (time) time.answeredMs = performance.now();
}

const submitted = (n: number): Promise<true> =>
  eventually(`submit ${n}`, async () => (operator.submits.length >= n ? true : undefined));

/** From the answer to the submit before until this one came. */
function silenceBefore(n: number): number {
  return (times[n - 1]?.cameMs ?? Number.NaN) - (times[n - 2]?.answeredMs ?? Number.NaN);
}

/** The first goes out and is answered when the others wait behind it, in their order. Gives the first one's msgid. */
async function sendAll([first = '', ...others]: readonly string[]): Promise<number> {
  const msgid = await node.sendAccepted(first, 'hello');
  await submitted(1);
  for (const mobile of others) await node.sendAccepted(mobile, 'hello');
  for (const submit of operator.submits.slice(0, 1)) script(submit);
  return msgid;
}

test('the link pauses when the third recipient within a second has a full queue', async () => {
  script = (submit) => (submit.n <= 3 ? refuse(submit, QUEUE_FULL) : accept(submit));
  await sendAll(RECIPIENTS);
  await submitted(4);
  assert.ok(silenceBefore(3) < PAUSE_MS, `two recipients: ${silenceBefore(3)} ms`);
  assert.ok(silenceBefore(4) >= PAUSE_MS, `three recipients: ${silenceBefore(4)} ms`);
  assert.equal(operator.submits[3]?.mobile, '886911000004');
});

test('one recipient whose queue is full three times does not pause the link', async () => {
  script = (submit) => (submit.n <= 3 ? refuse(submit, QUEUE_FULL) : accept(submit));
  await sendAll([RECIPIENTS[0], RECIPIENTS[0], RECIPIENTS[0], RECIPIENTS[1]]);
  await submitted(4);
  for (const n of [2, 3, 4]) assert.ok(silenceBefore(n) < PAUSE_MS, `before submit ${n}: ${silenceBefore(n)} ms`);
});

test('three recipients whose queues are full over more than a second do not pause the link', async () => {
  script = (submit) => {
    if (submit.n === 3) setTimeout(() => refuse(submit, QUEUE_FULL), PAUSE_MS + 200);
    else if (submit.n < 3) refuse(submit, QUEUE_FULL);
    else accept(submit);
  };
  await sendAll(RECIPIENTS);
  await submitted(4);
  assert.ok(silenceBefore(4) < PAUSE_MS, `${silenceBefore(4)} ms`);
});

for (const [status, name] of [
  [SYSTEM_ERROR, '0x08'],
  [APPLICATION_ERROR, '0x64'],
] as const) {
  test(`a message refused with ${name} is tried again later, without a pause for others, and delivered`, async () => {
    script = (submit) => (submit.n === 1 ? refuse(submit, status) : accept(submit));
    const msgid = await sendAll(RECIPIENTS.slice(0, 2));
    await submitted(2);
    assert.equal(operator.submits[1]?.mobile, '886911000002');
    assert.ok(silenceBefore(2) < PAUSE_MS, `${silenceBefore(2)} ms`);
    await eventually('the note of the refusal', async () =>
      (await node.events(msgid)).some((event) => event.kind === 'put-off' && event.status === status)
        ? true
        : undefined,
    );
    await moveTime(node, 6_000);
    await submitted(3);
    assert.equal(operator.submits[2]?.mobile, '886911000001');
    await operator.receipt({ id: 'id3', stat: 'DELIVRD', from: '886911000001' });
    assert.equal(await node.finalState(msgid, RECIPIENTS[0]), 'DELIVRD');
    assert.equal(operator.submits.length, 3);
    assert.equal(await node.balance(), 998);
  });
}

test('a throttled message pauses the link and goes out first when it speaks again', async () => {
  script = (submit) => (submit.n === 1 ? refuse(submit, THROTTLED) : accept(submit));
  const msgid = await sendAll(RECIPIENTS.slice(0, 2));
  await submitted(3);
  assert.deepEqual(
    operator.submits.map(({ mobile }) => mobile),
    ['886911000001', '886911000001', '886911000002'],
  );
  assert.ok(silenceBefore(2) >= PAUSE_MS, `${silenceBefore(2)} ms`);
  await operator.receipt({ id: 'id2', stat: 'DELIVRD', from: '886911000001' });
  assert.equal(await node.finalState(msgid, RECIPIENTS[0]), 'DELIVRD');
});
