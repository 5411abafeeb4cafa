import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type SmsNode, startSmsNode } from '../../harness/sms-node.ts';
import { checkLedger } from '../../../src/store/ledger.ts';

let node: SmsNode;
before(async () => {
  node = await startSmsNode({ acceptLingerMs: 50 });
});
after(() => node.stop());

test('a row that breaks the statement does not fail its neighbours', async () => {
  const outcomes = await Promise.all([
    node.send('0911222333', 'before'),
    node.send('0911222333', 'a NUL \0 that PostgreSQL refuses'),
    node.send('0911222333', 'behind'),
  ]);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.kind),
    ['accepted', 'not-stored', 'accepted'],
  );
});

test('what is committed is answered as accepted, whatever happens to the rest of its batch', async () => {
  await node.rows(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'out of order' USING ERRCODE = 'XX000'; END $$`);
  await node.rows(
    `CREATE TRIGGER fails BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.body = 'fails') EXECUTE FUNCTION fail()`,
  );
  const balance = await node.balance();
  const outcomes = await Promise.all([
    node.send('0911222333', 'good'),
    node.send('0911222333', 'a NUL \0 that PostgreSQL refuses'),
    node.send('0911222333', 'fails'),
  ]);
  const stored = await node.rows("SELECT 1 FROM messages WHERE body = 'good'");
  assert.equal(stored.length, 1);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.kind),
    ['accepted', 'not-stored', 'not-stored'],
  );
  assert.equal(await node.balance(), balance - 1);
  assert.deepEqual((await checkLedger(node.database)).mismatches, []);
});
