import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CONFIG_DEFAULTS, type Config, loadConfig } from '../../src/config.ts';

const THIS_FILE = fileURLToPath(import.meta.url);
const DATABASE_URL = 'postgres://feige:secret@db.example:5432/feige';

function load(env: Record<string, string>): Config {
  const loaded = loadConfig(env);
  if (!loaded.ok) assert.fail(loaded.mistakes.join('\n'));
  return loaded.config;
}

function mistakesOf(env: Record<string, string>): string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.mistakes;
}

/** One mistake, that begins with the variable's name. */
function assertRefused(env: Record<string, string>, name: string): void {
  const mistakes = mistakesOf(env);
  assert.equal(mistakes.length, 1, `${JSON.stringify(env)}: ${mistakes.join('; ')}`);
  assert.match(mistakes[0] ?? '', new RegExp(`^${name}[=:]`));
}

test('an empty environment is the laptop: embedded database, simulator, loopback', () => {
  const config = load({});
  assert.equal(config.httpHost, '127.0.0.1');
  assert.equal(config.httpPort, 8080);
  assert.equal(config.httpsPort, 8443);
  assert.equal(config.metricsPort, 9464);
  assert.equal(config.tls, undefined);
  assert.equal(config.databaseUrl, undefined);
  assert.equal(config.dataDir, resolve('data'));
  assert.equal(config.simulator.enabled, true);
  assert.equal(config.simulator.smscPort, 2775);
  assert.equal(config.receiptGraceSeconds, 3600);
  assert.equal(config.refundUndelivered, false);
  assert.deepEqual(config.callbackAllow, ['127.0.0.0/8', '::1/128']);
});

test('with DATABASE_URL the simulator is off and callbacks do not reach loopback', () => {
  const config = load({ DATABASE_URL });
  assert.equal(config.databaseUrl, DATABASE_URL);
  assert.equal(config.simulator.enabled, false);
  assert.deepEqual(config.callbackAllow, []);
  assert.equal(load({ DATABASE_URL, SIMULATOR: 'on' }).simulator.enabled, true);
});

test('every mistake is named in one go', () => {
  const mistakes = mistakesOf({ HTTP_PORT: 'http', LOG_LEVEL: 'loud', PRICES: '886', CALLBACK_ALLOW: '10.0.0.0/33' });
  const names = mistakes.map((mistake) => mistake.split('=')[0]);
  assert.deepEqual(
    names.toSorted((a, b) => (a ?? '').localeCompare(b ?? '')),
    ['CALLBACK_ALLOW', 'HTTP_PORT', 'LOG_LEVEL', 'PRICES'],
  );
});

test('switches take the usual words in any case, and nothing else', () => {
  for (const word of ['on', 'yes', 'true', '1', 'Yes'])
    assert.equal(load({ REFUND_UNDELIVERED: word }).refundUndelivered, true, word);
  for (const word of ['off', 'no', 'false', '0', 'OFF'])
    assert.equal(load({ REFUND_UNDELIVERED: word }).refundUndelivered, false, word);
  assertRefused({ REFUND_UNDELIVERED: 'maybe' }, 'REFUND_UNDELIVERED');
  assertRefused({ SIMULATOR: 'perhaps', DATABASE_URL }, 'SIMULATOR');
});

test('a blank value counts as unset', () => {
  assert.equal(load({ DATABASE_URL: '', HTTP_PORT: ' ', SIMULATOR: '' }).httpPort, 8080);
});

test('while the simulator is on only loopback is listened on, unless the sandbox is made public', () => {
  assertRefused({ HTTP_HOST: '0.0.0.0' }, 'HTTP_HOST');
  assertRefused({ HTTP_HOST: '::' }, 'HTTP_HOST');
  assertRefused({ HTTP_HOST: 'sms.example' }, 'HTTP_HOST');
  for (const host of ['127.0.0.1', '127.8.8.8', '::1', 'localhost']) load({ HTTP_HOST: host });
  assert.equal(load({ HTTP_HOST: '0.0.0.0', SANDBOX_PUBLIC: 'yes' }).sandboxPublic, true);
  assert.equal(load({ HTTP_HOST: '0.0.0.0', DATABASE_URL }).httpHost, '0.0.0.0');
});

test('a host is an address or a name', () => {
  for (const host of ['127.0.0.256', 'a b', '-x', 'http://x'])
    assertRefused({ HTTP_HOST: host, DATABASE_URL }, 'HTTP_HOST');
});

test('ports can be any free one, and those that need not be there can be off', () => {
  const config = load({ HTTP_PORT: '0', HTTPS_PORT: 'off', METRICS_PORT: 'off', SMSC_PORT: '0' });
  assert.equal(config.httpPort, 0);
  assert.equal(config.httpsPort, 'off');
  assert.equal(config.metricsPort, 'off');
  assertRefused({ HTTP_PORT: 'off' }, 'HTTP_PORT');
  assertRefused({ HTTP_PORT: '65536' }, 'HTTP_PORT');
  assertRefused({ HTTP_PORT: '8e3' }, 'HTTP_PORT');
});

test('two listeners on one port are refused', () => {
  assertRefused({ HTTPS_PORT: '8080' }, 'HTTPS_PORT');
  assertRefused({ SMSC_PORT: '9464' }, 'SMSC_PORT');
  load({ SMSC_PORT: '9464', SIMULATOR: 'off' });
  load({ HTTP_PORT: '0', HTTPS_PORT: '0' });
});

test('certificate and key come together and must be there', () => {
  assertRefused({ TLS_CERT: THIS_FILE }, 'TLS_KEY');
  assertRefused({ TLS_KEY: THIS_FILE }, 'TLS_CERT');
  assertRefused({ TLS_CERT: THIS_FILE, TLS_KEY: '/nowhere/key.pem' }, 'TLS_KEY');
  assert.deepEqual(load({ TLS_CERT: THIS_FILE, TLS_KEY: THIS_FILE }).tls, {
    certificatePath: THIS_FILE,
    keyPath: THIS_FILE,
  });
});

test('lists of networks take CIDRs and single addresses', () => {
  const config = load({ DATABASE_URL, CALLBACK_ALLOW: '10.0.0.0/8, 192.0.2.7', TRUSTED_PROXIES: '::1,fd00::/8' });
  assert.deepEqual(config.callbackAllow, ['10.0.0.0/8', '192.0.2.7/32']);
  assert.deepEqual(config.trustedProxies, ['::1/128', 'fd00::/8']);
  assertRefused({ TRUSTED_PROXIES: '10.1' }, 'TRUSTED_PROXIES');
  assertRefused({ TRUSTED_PROXIES: 'proxy.example' }, 'TRUSTED_PROXIES');
});

test('a database address may name several hosts', () => {
  const several = 'postgresql://u:p%40ss@h1:5432,h2:5433/db?sslmode=require';
  assert.equal(load({ DATABASE_URL: several }).databaseUrl, several);
  load({ DATABASE_URL: 'postgres://[2001:db8::1]:5432/db' });
  load({ DATABASE_URL: 'postgres:///db?host=/run/postgresql' });
});

test('a refused database address is never repeated, since it holds a password', () => {
  for (const url of ['mysql://u:hunter2@h/db', 'postgres://u:hunter2@h', 'postgres://u:hunter2@h,/db']) {
    assertRefused({ DATABASE_URL: url }, 'DATABASE_URL');
    assert.doesNotMatch(mistakesOf({ DATABASE_URL: url }).join(), /hunter2/);
  }
});

test('keys come from a variable or from a file, one or more, the first one first', async () => {
  const [base64, hex] = [Buffer.alloc(32, 7).toString('base64'), '0'.repeat(63).concat('1')];
  const other = Buffer.from(hex, 'hex').toString('base64');
  assert.deepEqual(load({}).secretKeys, []);
  assert.deepEqual(load({ SECRET_KEY: `${base64}, ${hex}` }).secretKeys, [base64, other]);
  const directory = await mkdtemp(join(tmpdir(), 'feige-config-'));
  const file = join(directory, 'keys');
  await writeFile(file, `${hex}\n${base64}\n`);
  assert.deepEqual(load({ SECRET_KEY_FILE: file }).secretKeys, [other, base64]);
  assertRefused({ SECRET_KEY: base64, SECRET_KEY_FILE: file }, 'SECRET_KEY_FILE');
  assertRefused({ SECRET_KEY_FILE: join(directory, 'nowhere') }, 'SECRET_KEY_FILE');
  await rm(directory, { recursive: true });
});

test('a refused key is never repeated', () => {
  for (const key of ['hunter2', `${'hunter2'.repeat(7)}`, Buffer.alloc(31, 1).toString('base64')]) {
    assertRefused({ SECRET_KEY: key }, 'SECRET_KEY');
    assert.ok(!mistakesOf({ SECRET_KEY: key }).join().includes(key));
  }
});

test('numbers have bounds', () => {
  assertRefused({ CALLBACK_CONCURRENCY: '0' }, 'CALLBACK_CONCURRENCY');
  assertRefused({ CALLBACK_CONCURRENCY_PER_HOST: '1.5' }, 'CALLBACK_CONCURRENCY_PER_HOST');
  assertRefused({ SIMULATOR_ERROR_RATE: '1.5' }, 'SIMULATOR_ERROR_RATE');
  assertRefused({ RECEIPT_GRACE_S: '-1' }, 'RECEIPT_GRACE_S');
  assert.equal(load({ SIMULATOR_ERROR_RATE: '0.25' }).simulator.errorRate, 0.25);
});

test('nothing of the configuration can be changed afterwards', () => {
  const config = load({});
  assert.throws(() => Object.assign(config, { httpPort: 1 }), TypeError);
  assert.throws(() => Object.assign(config.simulator, { enabled: false }), TypeError);
  assert.ok(Object.isFrozen(config.callbackAllow));
});

test('the reference page lists exactly the variables and defaults of the code', async () => {
  const page = await readFile(new URL('../../docs/reference/config.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`)? ?\| \S.* \|$/gm)];
  const documented = Object.fromEntries(rows.map((row) => [row[1], row[2] ?? '']));
  assert.equal(rows.length, Object.keys(documented).length, 'a variable is listed twice');
  assert.deepEqual(documented, { ...CONFIG_DEFAULTS });
});
