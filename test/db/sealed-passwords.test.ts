import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import pg from 'pg';
import { createLogger } from '../../src/base/log.ts';
import { makeSecretKey, SecretKeys } from '../../src/base/secret-keys.ts';
import { type OperatorSettings, parseOperatorSettings } from '../../src/domain/operator-settings.ts';
import { parseTrunkSettings, type TrunkSettings } from '../../src/domain/trunk-settings.ts';
import { Database } from '../../src/store/database.ts';
import { ensureSimulatedOperator } from '../../src/store/demo-accounts.ts';
import { addOperator, findOperator, listOperators, updateOperator } from '../../src/store/operators.ts';
import { listPasswords, sealPasswords, sealPlainPasswords } from '../../src/store/seal-passwords.ts';
import { addTrunk, findTrunk, updateTrunk } from '../../src/store/trunks.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const [KEY, OTHER_KEY] = [makeSecretKey(), makeSecretKey()];
const PASSWORD = 'operators-own';

let template: TestDatabase;
let client: pg.Client;
const databases: Database[] = [];
let keyed: Database;
let keyless: Database;
let rotated: Database;

function open(...keys: string[]): Database {
  const database = new Database(template.url, { keys: new SecretKeys(keys) });
  databases.push(database);
  return database;
}

before(async () => {
  template = await createTestDatabase();
  client = new pg.Client(template.url);
  await client.connect();
  [keyed, keyless, rotated] = [open(KEY), open(), open(OTHER_KEY, KEY)];
});

after(async () => {
  await client.end();
  for (const database of databases) await database.stop();
  await template.drop();
});

beforeEach(() => client.query('DELETE FROM link_slots; DELETE FROM operators; DELETE FROM trunks'));

function operatorSettings(change: Partial<OperatorSettings> = {}): OperatorSettings {
  const parsed = parseOperatorSettings({ host: 'smsc.example', systemId: 'me', password: PASSWORD, ...change });
  return parsed.ok ? parsed.settings : assert.fail(parsed.mistakes.join());
}

function trunkSettings(change: Partial<TrunkSettings> = {}): TrunkSettings {
  const parsed = parseTrunkSettings({ host: 'sbc.example', username: 'me', password: PASSWORD, ...change });
  return parsed.ok ? parsed.settings : assert.fail(parsed.mistakes.join());
}

const addAlpha = (db: Database, change: Partial<OperatorSettings> = {}) =>
  addOperator(db, { name: 'alpha', enabled: true, settings: operatorSettings(change) });

/** The stored password of each row as it stands there. */
async function stored(table: 'operators' | 'trunks' = 'operators'): Promise<Record<string, unknown>> {
  const { rows } = await client.query<{ name: string; password: unknown }>(
    `SELECT name, settings->'password' AS password FROM ${table}`,
  );
  return Object.fromEntries(rows.map(({ name, password }) => [name, password]));
}

test('the password of an operator and of a trunk stands sealed in its row, and opens with the key', async () => {
  await addAlpha(keyed);
  await addTrunk(keyed, { name: 'alpha', enabled: true, settings: trunkSettings() });
  for (const table of ['operators', 'trunks'] as const) {
    const { rows } = await client.query(`SELECT t::text FROM ${table} t`);
    assert.doesNotMatch(JSON.stringify(rows), new RegExp(PASSWORD));
    assert.match(JSON.stringify(await stored(table)), /"sealed":"v1\.[0-9a-f]{8}\.[\w-]+"/);
  }
  assert.equal((await findOperator(keyed, 'alpha'))?.settings.password, PASSWORD);
  assert.equal((await findTrunk(keyed, 'alpha'))?.settings.password, PASSWORD);
});

test('without a key a password is refused with what to do, and an empty one is not', async () => {
  await assert.rejects(addAlpha(keyless), { code: 'SECRET_KEY_MISSING', message: /SECRET_KEY or SECRET_KEY_FILE/ });
  await assert.rejects(addTrunk(keyless, { name: 't', enabled: true, settings: trunkSettings() }), {
    code: 'SECRET_KEY_MISSING',
  });
  assert.deepEqual(await stored(), {});
  assert.equal((await addAlpha(keyless, { password: '' })).kind, 'added');
});

test('a sealed password that was put into another row does not open there', async () => {
  await addAlpha(keyed);
  await addOperator(keyed, { name: 'beta', enabled: true, settings: operatorSettings({ password: 'another' }) });
  await client.query(
    `UPDATE operators SET settings = jsonb_set(settings, '{password}', (SELECT settings->'password' FROM operators WHERE name = 'alpha'))
     WHERE name = 'beta'`,
  );
  const beta = await findOperator(keyed, 'beta');
  assert.match(beta?.passwordProblem ?? '', /was changed, or belongs to another row/);
  assert.doesNotMatch(JSON.stringify(beta), new RegExp(PASSWORD));
  assert.equal((await findOperator(keyed, 'alpha'))?.passwordProblem, undefined);
});

test('with the wrong key the operator is still there, says which key it wants, and keeps its password', async () => {
  await addAlpha(keyed);
  const wrong = open(OTHER_KEY);
  const [operator] = await listOperators(wrong);
  assert.match(
    operator?.passwordProblem ?? '',
    new RegExp(`sealed under the key ${keyed.keys?.currentId}.*SECRET_KEY`),
  );
  assert.doesNotMatch(JSON.stringify(operator), new RegExp(PASSWORD));
  const before = await stored();
  const settings = { ...(operator?.settings ?? assert.fail()), throttle: 7 };
  assert.equal((await updateOperator(wrong, 'alpha', { settings })).kind, 'updated');
  assert.deepEqual(await stored(), before);
  const healed = await findOperator(keyed, 'alpha');
  assert.deepEqual([healed?.settings.password, healed?.settings.throttle], [PASSWORD, 7]);
});

test('a trunk with an unreadable password can be changed and keeps it, and a new password heals it', async () => {
  await addTrunk(keyed, { name: 'sbc', enabled: true, settings: trunkSettings() });
  const trunk = (await findTrunk(keyless, 'sbc')) ?? assert.fail();
  assert.match(trunk.passwordProblem ?? '', /not among those given \(none\)/);
  await updateTrunk(keyless, 'sbc', { settings: { ...trunk.settings, maxCalls: 5 } });
  assert.equal((await findTrunk(keyed, 'sbc'))?.settings.password, PASSWORD);
  const other = open(OTHER_KEY);
  await updateTrunk(other, 'sbc', { settings: trunkSettings({ password: 'anew' }) });
  assert.equal((await findTrunk(other, 'sbc'))?.settings.password, 'anew');
});

test('a change of other settings leaves a sealed password as it is; a new one is sealed', async () => {
  await addAlpha(keyed);
  const before = await stored();
  await updateOperator(keyed, 'alpha', { settings: operatorSettings({ throttle: 9 }) });
  assert.deepEqual(await stored(), before);
  await updateOperator(keyed, 'alpha', { settings: operatorSettings({ password: 'changed' }) });
  assert.notDeepEqual(await stored(), before);
  assert.equal((await findOperator(keyed, 'alpha'))?.settings.password, 'changed');
});

test('what an earlier version stored as it was is read, told of without a key, and sealed with one', async () => {
  const lines: string[] = [];
  const log = createLogger({ level: 'info', destination: { write: (line: string) => lines.push(line) } });
  await client.query('INSERT INTO operators (name, settings) VALUES ($1, $2)', ['alpha', operatorSettings()]);
  await client.query('INSERT INTO trunks (name, settings) VALUES ($1, $2)', ['sbc', trunkSettings()]);
  assert.equal((await findOperator(keyless, 'alpha'))?.settings.password, PASSWORD);
  await updateOperator(keyless, 'alpha', { settings: operatorSettings({ throttle: 9 }) });
  await sealPlainPasswords(keyless, log);
  assert.match(lines.join(''), /"level":40.*"names":\["alpha","sbc"\].*set SECRET_KEY/);
  const version = (await findOperator(keyless, 'alpha'))?.version;
  await sealPlainPasswords(keyed, log);
  assert.match(lines.join(''), /"names":\["alpha","sbc"\].*were sealed/);
  assert.doesNotMatch(lines.join(''), new RegExp(PASSWORD));
  assert.doesNotMatch(JSON.stringify([await stored(), await stored('trunks')]), new RegExp(PASSWORD));
  const sealed = await findOperator(keyed, 'alpha');
  assert.deepEqual([sealed?.settings.password, sealed?.version], [PASSWORD, version], 'no link has to bind again');
});

test('a rotation seals all under the new key, after which the old one is not needed', async () => {
  await addAlpha(keyed);
  await addTrunk(keyed, { name: 'sbc', enabled: true, settings: trunkSettings() });
  assert.deepEqual(
    (await listPasswords(rotated)).map(({ kind, form }) => [kind, form]),
    [
      ['operator', 'sealed-before'],
      ['trunk', 'sealed-before'],
    ],
  );
  await assert.rejects(sealPasswords(keyless, ['plain']), { code: 'SECRET_KEY_MISSING' });
  assert.equal((await sealPasswords(rotated, ['plain', 'sealed-before'])).length, 2);
  assert.deepEqual(await sealPasswords(rotated, ['plain', 'sealed-before']), []);
  const onlyNew = open(OTHER_KEY);
  assert.deepEqual(
    (await listPasswords(onlyNew)).map(({ form }) => form),
    ['sealed', 'sealed'],
  );
  assert.equal((await findOperator(onlyNew, 'alpha'))?.settings.password, PASSWORD);
  assert.match((await findOperator(keyed, 'alpha'))?.passwordProblem ?? '', /SECRET_KEY/);
});

test('the simulated operator needs no key, since everybody knows its password', async () => {
  const target = { host: '127.0.0.1', port: 2775, systemId: 'feige', password: 'simulate' };
  await ensureSimulatedOperator(keyless, target);
  const moved = await ensureSimulatedOperator(keyless, { ...target, port: 2776 });
  assert.deepEqual([moved.settings.port, moved.settings.password], [2776, 'simulate']);
});
