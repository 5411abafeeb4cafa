import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type SmsNode, startSmsNode } from '../../harness/sms-node.ts';
import { checkLedger } from '../../../src/store/ledger.ts';

let node: SmsNode;
before(async () => {
  node = await startSmsNode({ acceptLingerMs: 50 });
});
after(() => node.stop());

/** Has the messages accepted in this order, in one batch. */
async function sendTogether(bodies: readonly string[]): Promise<string[]> {
  const [account] = await node.rows<{ version: number }>('SELECT version FROM accounts');
  const outcomes = await Promise.all(
    bodies.map((body) =>
      node.pipeline.acceptance.accept({
        accountId: node.accountId,
        accountVersion: account?.version ?? 0,
        mobile: '886911222333',
        body,
        segments: 1,
        points: 1,
        dueAtMs: undefined,
        validitySeconds: 28_800,
        drurl: undefined,
        sourceAddress: undefined,
      }),
    ),
  );
  return outcomes.map((outcome) => outcome.kind);
}

test('a row that breaks the statement does not fail its neighbours', async () => {
  const outcomes = await sendTogether(['before', 'a NUL \0 that PostgreSQL refuses', 'behind']);
  assert.deepEqual(outcomes, ['accepted', 'not-stored', 'accepted']);
});

test('what is committed is answered as accepted, whatever happens to the rest of its batch', async () => {
  await node.rows(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'out of order' USING ERRCODE = 'XX000'; END $$`);
  await node.rows(
    `CREATE TRIGGER fails BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.body = 'fails') EXECUTE FUNCTION fail()`,
  );
  const balance = await node.balance();
  const outcomes = await sendTogether(['good', 'a NUL \0 that PostgreSQL refuses', 'fails']);
  const stored = await node.rows("SELECT 1 FROM messages WHERE body = 'good'");
  assert.equal(stored.length, 1);
  assert.deepEqual(outcomes, ['accepted', 'not-stored', 'not-stored']);
  assert.equal(await node.balance(), balance - 1);
  assert.deepEqual((await checkLedger(node.database)).mismatches, []);
});
