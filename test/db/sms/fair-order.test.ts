import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { NewMessage } from '../../../src/sms/accept.ts';
import { createAccount } from '../../../src/store/account-admin.ts';
import { parseOperatorSettings } from '../../../src/domain/operator-settings.ts';
import { addOperator } from '../../../src/store/operators.ts';
import { claim } from '../../../src/store/queue.ts';
import { type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

/** Carried by an operator whose links are down: what is accepted stays in the queue, for the test to claim. */
const PREFIX = '1';
const FLOOD = 2_000;

let node: SmsNode;
let operatorId: number;
before(async () => {
  node = await startSmsNode({ points: 10_000, operatorSettings: { prefixes: ['886'] } });
  const settings = parseOperatorSettings({
    host: '127.0.0.1',
    port: 1,
    systemId: 'x',
    password: 'x',
    prefixes: [PREFIX],
  });
  assert.ok(settings.ok);
  const added = await addOperator(node.database, { name: 'down', enabled: true, settings: settings.settings });
  operatorId = added.kind === 'added' ? added.operator.operatorId : 0;
  await node.pipeline.directory.refresh();
});
after(() => node.stop());

async function accountOf(username: string, share = 1): Promise<number> {
  const created = await createAccount(node.database, {
    username,
    passwordHash: 'unused',
    points: 10_000,
    settings: { share },
  });
  assert.ok(created.kind === 'created');
  return created.account.accountId;
}

async function send(accountId: number, messages: number, segments = 1): Promise<void> {
  const [account] = await node.rows<{ version: number }>('SELECT version FROM accounts WHERE account_id = $1', [
    accountId,
  ]);
  const message: NewMessage = {
    accountId,
    accountVersion: account?.version ?? 0,
    mobile: '12025550123',
    body: 'x',
    segments,
    points: segments,
    dueAtMs: undefined,
    validitySeconds: 28_800,
    drurl: undefined,
    sourceAddress: undefined,
  };
  const outcomes = await Promise.all(Array.from({ length: messages }, () => node.pipeline.acceptance.accept(message)));
  assert.ok(outcomes.every((outcome) => outcome.kind === 'accepted'));
}

/** Whose messages go out next, in order. */
async function next(limit: number): Promise<number[]> {
  const epoch = node.lease.epoch() ?? 0;
  const { messages } = await claim(node.database, { epoch, operatorId, fromRank: 0, limit });
  return messages.map((message) => message.accountId);
}

test('an account with 2,000 waiting messages does not delay the single one of another', async () => {
  const [flooder, single] = [await accountOf('flooder'), await accountOf('single')];
  await send(flooder, FLOOD);
  assert.deepEqual(new Set(await next(500)), new Set([flooder]));
  await send(single, 1);
  assert.ok((await next(2)).includes(single), 'it goes out first or second');
});

test('who used idle capacity alone is not made to wait for it afterwards', async () => {
  const [early, late] = [await accountOf('early'), await accountOf('late')];
  while ((await next(1_000)).length > 0);
  await send(early, 1_000);
  while ((await next(1_000)).length > 0);
  await send(late, 10);
  await send(early, 10);
  const order = await next(20);
  assert.ok(order.slice(0, 4).includes(early), 'they take turns');
  assert.ok(order.slice(0, 4).includes(late));
});

test('accounts share an operator by their segments and their shares', async () => {
  const [small, large] = [await accountOf('small'), await accountOf('large', 3)];
  while ((await next(1_000)).length > 0);
  await send(small, 100);
  await send(large, 100);
  const order = await next(40);
  assert.equal(order.filter((account) => account === large).length, 30);
  while ((await next(1_000)).length > 0);
  await send(small, 100);
  await send(large, 100, 3);
  const long = await next(40);
  assert.equal(long.filter((account) => account === large).length, 20);
});
