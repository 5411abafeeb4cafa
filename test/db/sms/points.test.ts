import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type SmsNode, startSmsNode } from '../../harness/sms-node.ts';
import { checkLedger } from '../../../src/store/ledger.ts';

let node: SmsNode;
before(async () => {
  node = await startSmsNode({ points: 10 });
});
after(() => node.stop());

test('of messages sent at once only those are accepted that the balance covers, and each is charged once', async () => {
  const outcomes = await Promise.all(Array.from({ length: 15 }, (_, n) => node.send('0911222333', `message ${n}`)));
  assert.equal(outcomes.filter((outcome) => outcome.kind === 'accepted').length, 10);
  assert.equal(outcomes.filter((outcome) => outcome.kind === 'insufficient-points').length, 5);
  assert.equal(await node.balance(), 0);
});

test('a cheap message behind one that is too dear still goes through', async () => {
  await node.rows('UPDATE accounts SET balance = balance + 2');
  await node.rows(
    "INSERT INTO ledger (account_id, at, kind, points) SELECT account_id, now(), 'topup', 2 FROM accounts",
  );
  const [dear, cheap] = await Promise.all([node.send('0911222333', 'a'.repeat(400)), node.send('0911222333', 'short')]);
  assert.equal(dear?.kind, 'insufficient-points');
  assert.equal(cheap?.kind, 'accepted');
  assert.equal(await node.balance(), 1);
});

test('a message judged under old settings is not accepted', async () => {
  const [account] = await node.rows<{ version: number }>('SELECT version FROM accounts');
  await node.rows('UPDATE accounts SET version = version + 1');
  const outcome = await node.pipeline.acceptance.accept({
    accountId: node.accountId,
    accountVersion: account?.version ?? 0,
    mobile: '886911222333',
    body: 'old',
    segments: 1,
    points: 1,
    dueAtMs: undefined,
    validitySeconds: 28_800,
    drurl: undefined,
    sourceAddress: undefined,
  });
  assert.equal(outcome.kind, 'account-changed');
});

test('balance, ledger and messages agree in the end', async () => {
  const check = await checkLedger(node.database);
  assert.deepEqual(check.mismatches, []);
});
