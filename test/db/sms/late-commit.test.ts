import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startScriptedOperator, type ScriptedOperator } from '../../harness/scripted-operator.ts';
import { eventually, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const FIRST_MOBILE = 886_920_000_000;
const FIRST_MSGID = 200_000_000;
const FLOOD = 2_000;
const PER_SECOND = 200;
const TRIES = 6;
/** Messages of the flood that go out while a commit is held back: two claims and more. */
const BEHIND = 6;
/** What the queue's order lets go first, and what was claimed already: a tenth of a second's. */
const CLAIMED_BEFORE = 25;
/** A machine that holds everything up for longer than a claim looks back says nothing. */
const HELD_AT_MOST_MS = 80;

let operator: ScriptedOperator;
let node: SmsNode;
before(async () => {
  operator = await startScriptedOperator((submit) => submit.accept(String(submit.n)));
  node = await startSmsNode({ points: 10_000, operatorSettings: { port: operator.port, throttle: PER_SECOND } });
});
after(async () => {
  await node.stop();
  await operator.stop();
});

/** Holds the commit of a queued message back while claims go on; gives how many others went out before it. */
async function overtakenBy(mobile: string, msgid: number): Promise<number | undefined> {
  let heldMs = 0;
  let committedAt = 0;
  await node.database.transaction(async (tx) => {
    const beganMs = performance.now();
    await tx.query(
      {
        name: 'hold-queued',
        text: `INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, accepted_at, expires_at)
          SELECT $1::bigint, operator_id, rank + 1, $3::int, $2, 'x', 1, now(), now() + interval '1 hour' FROM operators`,
      },
      [msgid, mobile, node.accountId],
    );
    const from = operator.submits.length;
    await eventually('claims that go on', async () => (operator.submits.length >= from + BEHIND ? true : undefined));
    heldMs = performance.now() - beganMs;
    committedAt = operator.submits.length;
  });
  const submit = await eventually('the late message', async () =>
    operator.submits.find((one) => one.mobile === mobile),
  );
  return heldMs > HELD_AT_MOST_MS ? undefined : submit.n - committedAt;
}

test('a message whose commit took a moment is not left behind by the claims that went on meanwhile', async () => {
  await Promise.all(Array.from({ length: FLOOD }, (_, n) => node.send('0911222333', `flood ${n}`)));
  let judged = 0;
  for (let n = 0; judged < TRIES && operator.submits.length < FLOOD; n += 1) {
    const overtaken = await overtakenBy(String(FIRST_MOBILE + n), FIRST_MSGID + n);
    if (overtaken === undefined) continue;
    judged += 1;
    assert.ok(overtaken <= CLAIMED_BEFORE, `${overtaken} went out before it`);
  }
  assert.ok(judged > 0, 'the machine is too slow to tell');
});
