import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Database } from '../../../src/store/database.ts';
import { startScriptedOperator, type ScriptedOperator, type Submit } from '../../harness/scripted-operator.ts';
import { eventually, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const MOBILE = '0911222333';
const WINDOW = 5;

let operator: ScriptedOperator;
let node: SmsNode;
let script: (submit: Submit) => void;
before(async () => {
  operator = await startScriptedOperator((submit) => script(submit));
  node = await startSmsNode({
    operatorSettings: { port: operator.port, window: WINDOW, responseTimeoutMs: 60_000 },
  });
});
after(async () => {
  await node.stop();
  await operator.stop();
});

/** A claim that finds something waits for this row until it is let go, and the next one behind it. */
async function holdClaims(database: Database): Promise<() => Promise<void>> {
  const held = Promise.withResolvers<void>();
  const letGo = Promise.withResolvers<void>();
  const holding = database.transaction(async (tx) => {
    await tx.query({ name: 'hold-operators', text: 'SELECT 1 FROM operators FOR NO KEY UPDATE' }, []);
    held.resolve();
    await letGo.promise;
  });
  await Promise.race([held.promise, holding]);
  return async () => {
    letGo.resolve();
    await holding;
  };
}

function waitingForLocks(count: number): Promise<true> {
  return eventually(`${count} statements that wait for a lock`, async () => {
    const waiting = await node.rows(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return waiting.length === count ? true : undefined;
  });
}

test('a message that was accepted while a claim was under way is not overtaken by the next one', async () => {
  // The window is full: what comes next waits in the queue for a claim.
  const unanswered: Submit[] = [];
  script = (submit) => unanswered.push(submit);
  for (let n = 0; n < WINDOW; n += 1) await node.sendAccepted(MOBILE, `fills the window ${n}`);
  await eventually('a full window', async () => (unanswered.length === WINDOW ? true : undefined));
  await node.sendAccepted(MOBILE, 'claimed');
  const letFirstGo = await holdClaims(node.database);
  script = (submit) => submit.accept(`id${submit.n}`);
  for (const { n, accept } of unanswered) accept(`id${n}`);
  // It finds less than there is room for by now, and has seen nothing of what is accepted from here on.
  await waitingForLocks(1);
  await node.sendAccepted(MOBILE, 'first');
  const holdingNext = holdClaims(node.database);
  await waitingForLocks(2);
  await letFirstGo();
  const letNextGo = await holdingNext;
  await eventually('what was claimed', async () => operator.submits.find((submit) => textOf(submit) === 'claimed'));
  await waitingForLocks(1);
  await node.sendAccepted(MOBILE, 'second');
  await letNextGo();
  await eventually('all messages', async () => (operator.submits.length === WINDOW + 3 ? true : undefined));
  assert.deepEqual(operator.submits.slice(WINDOW).map(textOf), ['claimed', 'first', 'second']);
});

function textOf({ message }: Submit): string {
  return message.shortMessage.toString('latin1');
}
