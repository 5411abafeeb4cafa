import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { type OperatorSettings, parseOperatorSettings } from '../../src/domain/operator-settings.ts';
import { Database } from '../../src/store/database.ts';
import { DEMO_ACCOUNTS, ensureDemoAccounts, ensureSimulatedOperator } from '../../src/store/demo-accounts.ts';
import { listAccounts, setAccount, showAccount } from '../../src/store/account-admin.ts';
import { listNumbers, releaseNumber } from '../../src/store/numbers.ts';
import {
  addOperator,
  findOperator,
  hasLiveNode,
  listLinkSlots,
  listOperators,
  maskedSettings,
  removeOperator,
  updateOperator,
} from '../../src/store/operators.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let template: TestDatabase;
let db: Database;
let client: pg.Client;

before(async () => {
  template = await createTestDatabase();
  db = new Database(template.url);
  client = new pg.Client(template.url);
  await client.connect();
});

after(async () => {
  await client.end();
  await db.stop();
  await template.drop();
});

function settings(change: Partial<OperatorSettings> = {}): OperatorSettings {
  const parsed = parseOperatorSettings({ host: 'smsc.example', systemId: 'me', password: 'pw', ...change });
  return parsed.ok ? parsed.settings : assert.fail(parsed.mistakes.join());
}

async function slotsOf(operatorId: number): Promise<number[]> {
  return (await listLinkSlots(db)).filter((slot) => slot.operatorId === operatorId).map((slot) => slot.slot);
}

async function add(name: string, change: Partial<OperatorSettings> = {}) {
  const added = await addOperator(db, { name, enabled: true, settings: settings(change) });
  return added.kind === 'added' ? added.operator : assert.fail('exists');
}

test('an operator is found as it was added', async () => {
  const added = await add('found', { prefixes: ['886', '81'], statusOverrides: { '0x45': 'retry' } });
  assert.equal(added.version, 1);
  assert.deepEqual(await findOperator(db, 'found'), added);
  assert.ok((await listOperators(db)).some((operator) => operator.name === 'found'));
  assert.deepEqual(await addOperator(db, { name: 'found', enabled: true, settings: settings() }), { kind: 'exists' });
});

test('settings stored before a field existed get its default', async () => {
  await client.query(
    `INSERT INTO operators (name, settings) VALUES ('old', '{"host": "h", "systemId": "s", "password": "p"}')`,
  );
  assert.equal((await findOperator(db, 'old'))?.settings.window, 100);
});

test('link slots follow the number of links, and a change raises the version', async () => {
  const { operatorId } = await add('slots', { links: 3 });
  assert.deepEqual(await slotsOf(operatorId), [0, 1, 2]);
  await client.query('UPDATE link_slots SET bound = true WHERE operator_id = $1 AND slot = 0', [operatorId]);
  const fewer = await updateOperator(db, 'slots', { settings: settings({ links: 1 }) });
  assert.equal(fewer.kind === 'updated' && fewer.operator.version, 2);
  assert.deepEqual(await slotsOf(operatorId), [0]);
  await updateOperator(db, 'slots', { settings: settings({ links: 2 }) });
  const slots = (await listLinkSlots(db)).filter((slot) => slot.operatorId === operatorId);
  assert.deepEqual(
    slots.map((slot) => slot.bound),
    [true, false],
  );
});

test('the switch alone leaves the settings alone', async () => {
  const added = await add('switched', { throttle: 7 });
  const off = await updateOperator(db, 'switched', { enabled: false });
  assert.deepEqual(off, { kind: 'updated', operator: { ...added, enabled: false, version: 2 } });
  assert.deepEqual(await updateOperator(db, 'nobody', { enabled: false }), { kind: 'unknown-operator' });
});

test('an operator in use is not removed: not while enabled, not while a message holds on to it', async () => {
  const { operatorId } = await add('removed', { links: 2 });
  assert.deepEqual(await removeOperator(db, 'removed'), { kind: 'enabled' });
  await updateOperator(db, 'removed', { enabled: false });
  await client.query(
    `INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, accepted_at, expires_at)
     VALUES (100000001, $1, 0, 1, '886911222333', 'x', 1, now(), now())`,
    [operatorId],
  );
  await client.query(
    `INSERT INTO in_flight (operator_message_id, operator_id, msgid, mobile, overdue_at, timed_out)
     VALUES ('a', $1, 100000002, '886911222333', now(), false), ('b', $1, NULL, '886911222333', now(), false),
       ('c', $1, 100000003, '886911222333', now(), true)`,
    [operatorId],
  );
  assert.deepEqual(await removeOperator(db, 'removed'), { kind: 'busy', queued: 1, deferred: 0, inFlight: 1 });
  await client.query('DELETE FROM queue; DELETE FROM in_flight WHERE operator_message_id = $$a$$');
  assert.deepEqual(await removeOperator(db, 'removed'), { kind: 'removed' });
  assert.deepEqual(await slotsOf(operatorId), []);
  assert.deepEqual(await removeOperator(db, 'removed'), { kind: 'unknown-operator' });
});

test('a node is live until its lease ends', async () => {
  assert.equal(await hasLiveNode(db), false);
  await client.query(`INSERT INTO nodes (name, started_at, deadline) VALUES ('n', now(), now() + interval '1 minute')`);
  assert.equal(await hasLiveNode(db), true);
  await client.query(`UPDATE nodes SET deadline = now() - interval '1 minute'`);
  assert.equal(await hasLiveNode(db), false);
});

test('masked settings differ from the real ones in the password only', () => {
  const real = settings();
  const masked = maskedSettings(real);
  assert.doesNotMatch(JSON.stringify(masked), /"pw"/);
  assert.deepEqual({ ...masked, password: real.password }, real);
});

test('the simulated operator follows the port at each start and keeps what was set by hand', async () => {
  const target = { host: '127.0.0.1', port: 2775, systemId: 'feige', password: 'simulator' };
  const first = await ensureSimulatedOperator(db, target);
  assert.deepEqual(await ensureSimulatedOperator(db, target), first);
  await updateOperator(db, first.name, { settings: { ...first.settings, throttle: 10 } });
  const moved = await ensureSimulatedOperator(db, { ...target, port: 4000 });
  assert.deepEqual([moved.operatorId, moved.settings.port, moved.settings.throttle], [first.operatorId, 4000, 10]);
  assert.equal((await slotsOf(first.operatorId)).length, 2);
});

test('the demo accounts are made once; afterwards they belong to whoever changed them', async () => {
  const names = DEMO_ACCOUNTS.map((account) => account.username);
  assert.deepEqual(await ensureDemoAccounts(db), names);
  assert.deepEqual(
    (await listAccounts(db)).map((account) => account.username),
    names,
  );
  const shown = Object.fromEntries((await listAccounts(db)).map((account) => [account.username, account]));
  assert.equal(shown.test?.international, true);
  assert.equal(shown.test.balance, 100_000);
  assert.equal(shown.nopoints?.balance, 0);
  assert.equal(shown.domestic?.international, false);
  assert.equal(shown.disabled?.state, 'disabled');
  assert.equal(shown.noapi?.api, false);
  assert.deepEqual(shown.badip?.ipAllow, ['192.0.2.1/32']);
  assert.deepEqual(await listNumbers(db), [{ snumber: '12345', address: '12345', username: 'test123' }]);

  await setAccount(db, 'disabled', { state: 'active' });
  await releaseNumber(db, '12345');
  assert.deepEqual(await ensureDemoAccounts(db), []);
  assert.equal((await showAccount(db, 'disabled'))?.state, 'active');
  assert.deepEqual(await listNumbers(db), []);
});
