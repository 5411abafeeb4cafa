import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { generate } from 'selfsigned';
import { makeSecretKey } from '../../src/base/secret-keys.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const FEIGE = fileURLToPath(new URL('../../src/cli/feige.ts', import.meta.url));

const SECRET_KEY = makeSecretKey();

let template: TestDatabase;
let client: pg.Client;
let directory: string;

before(async () => {
  template = await createTestDatabase();
  client = new pg.Client(template.url);
  await client.connect();
  directory = await mkdtemp(join(tmpdir(), 'feige-cli-'));
});

after(async () => {
  await client.end();
  await template.drop();
  await rm(directory, { recursive: true });
});

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [FEIGE, ...args], {
    env: { PATH: process.env.PATH, DATABASE_URL: template.url, SECRET_KEY },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function feige(...args: string[]): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const child = start(args);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once('close', resolve);
  return { exitCode: await promise, stdout, stderr };
}

/** `feige simulate` with these options, and the document it prints once it is up. */
async function startSimulator<Document>(
  ...options: string[]
): Promise<{ simulator: ChildProcess; document: Document }> {
  const simulator = start(['simulate', '--smsc-port', '0', ...options, '--json']);
  assert.ok(simulator.stdout);
  let document = '';
  for await (const line of createInterface({ input: simulator.stdout })) {
    document += line;
    if (line === '}') break;
  }
  return { simulator, document: JSON.parse(document) as Document };
}

async function endSimulator(simulator: ChildProcess): Promise<void> {
  const ended = once(simulator, 'exit');
  simulator.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
}

async function json(...args: string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await feige(...args, '--json');
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout);
}

const BIND = ['--host', '127.0.0.1', '--system-id', 'feige', '--password', 'pass-word'];

test('an operator is added, changed, listed and removed, and its password is never shown', async () => {
  const overrides = ['--prefixes', '886,81', '--status-overrides', '0x45=retry,0B=MOBERROR', '--tls-servername', 'x.y'];
  const added = await feige('operator', 'add', 'alpha', ...BIND, '--tls', 'on', '--links', '3', ...overrides, '--json');
  assert.equal(added.exitCode, 0, added.stderr);
  assert.partialDeepStrictEqual(JSON.parse(added.stdout), {
    name: 'alpha',
    enabled: true,
    settings: {
      tls: true,
      links: 3,
      throttle: 200,
      tlsServername: 'x.y',
      prefixes: ['886', '81'],
      statusOverrides: { '0x45': 'retry', '0xb': 'MOBERROR' },
    },
  });
  const set = await json(
    'operator',
    'set',
    'alpha',
    '--throttle',
    '0.5',
    '--enabled',
    'off',
    '--tls-servername',
    'none',
  );
  assert.partialDeepStrictEqual(set, { enabled: false, version: 2, settings: { throttle: 0.5, links: 3 } });
  assert.doesNotMatch(JSON.stringify(set), /x\.y/);
  const shown = await feige('operator', 'show', 'alpha');
  assert.match(shown.stdout, /^name +alpha\nenabled +off\nhost +127\.0\.0\.1\nport +2775\n/);
  assert.match(shown.stdout, /\nstatus-overrides +0xb=MOBERROR,0x45=retry\n/);
  const shownAs = shown.stdout
    .trim()
    .split('\n')
    .slice(2)
    .map((line) => line.split(' ', 1)[0]);
  const { stdout: help } = await feige('operator', 'set', '--help');
  for (const name of shownAs) assert.match(help, new RegExp(`  --${name} `), `${name} is set as it is shown`);
  const list = await feige('operator', 'list');
  assert.match(list.stdout, /alpha +off +0\/3 +127\.0\.0\.1:2775 \(TLS\) +feige/);
  const everything =
    added.stdout + JSON.stringify(set) + shown.stdout + list.stdout + JSON.stringify(await json('operator', 'list'));
  assert.doesNotMatch(everything, /pass-word/);
  const { rows } = await client.query(`SELECT settings::text FROM operators WHERE name = 'alpha'`);
  assert.match(JSON.stringify(rows), /sealed.*v1\./);
  assert.doesNotMatch(JSON.stringify(rows), /pass-word/);
  await json('operator', 'remove', 'alpha');
  assert.deepEqual(await json('operator', 'list'), []);
});

test('every wrong setting is named at once by its option', async () => {
  const wrong = '--port 0 --tls yes --bind-mode both'.split(' ');
  const { exitCode, stderr } = await feige('operator', 'add', 'wrong', '--host', 'h', '--password', 'p', ...wrong);
  assert.equal(exitCode, 2);
  for (const option of [
    '--port must be',
    '--tls must be on or off',
    '--bind-mode must be transceiver',
    '--system-id must be',
  ]) {
    assert.ok(stderr.includes(option), `${option} is not in ${stderr}`);
  }
});

test('a file of authorities with a damaged certificate is refused: it would be trusted in part', async () => {
  const { cert } = await generate([{ name: 'commonName', value: 'authority' }]);
  const file = join(directory, 'authorities.pem');
  await writeFile(file, `${cert}\n${cert.slice(0, cert.length / 2)}`);
  const damaged = await feige('operator', 'add', 'damaged', ...BIND, '--tls', 'on', '--tls-ca', file);
  assert.deepEqual([damaged.exitCode, damaged.stdout], [1, '']);
  assert.match(damaged.stderr, /--tls-ca: certificate 2 of 2 in .*authorities\.pem is damaged/);
  await writeFile(file, `our own\n${cert}`);
  await json('operator', 'add', 'whole', ...BIND, '--tls', 'on', '--tls-ca', file);
  await json('operator', 'remove', 'whole');
});

test('an operator that messages wait for stays, disabled', async () => {
  await json('operator', 'add', 'busy', ...BIND);
  await client.query(
    `INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, accepted_at, expires_at)
     SELECT 100000001, operator_id, 0, 1, '886911222333', 'x', 1, now(), now() FROM operators WHERE name = 'busy'`,
  );
  const { exitCode, stderr } = await feige('operator', 'remove', 'busy');
  assert.equal(exitCode, 1);
  assert.match(
    stderr,
    /busy is disabled, but not removed: 1 message waiting for it, 0 segments without a receipt; .*"operator set busy --enabled on"/,
  );
  await client.query('DELETE FROM queue');
  await json('operator', 'remove', 'busy');
});

test('operator test binds to a simulated operator and reports it; its handsets answer', async () => {
  const credentials = ['--system-id', 'feige', '--password', 'pass-word'];
  const { simulator, document } = await startSimulator<{ smppPort: number; sipPort: null; handsets: string }>(
    '--data-dir',
    directory,
    ...credentials,
  );
  try {
    const { smppPort, sipPort, handsets } = document;
    assert.equal(sipPort, null, 'no telephones unless asked for');
    assert.equal((await fetch(`${handsets}0911222333/calls`)).status, 404);
    assert.deepEqual(await (await fetch(`${handsets}0911222333/messages`)).json(), []);

    await json('operator', 'add', 'sim', ...BIND, '--port', String(smppPort));
    const report = await json('operator', 'test', 'sim');
    assert.partialDeepStrictEqual(report, {
      operator: 'sim',
      port: smppPort,
      works: true,
      binds: [{ mode: 'transceiver', bound: true, peerSystemId: 'feige-simulator' }],
    });
    await json('operator', 'set', 'sim', '--bind-mode', 'transmitter+receiver');
    const both = await feige('operator', 'test', 'sim');
    assert.match(
      both.stdout,
      /bind_receiver: bound in .*\n.*enquire_link: answered in .*\n.*bind_transmitter: bound in/,
    );

    await json('operator', 'set', 'sim', '--password', 'wrong');
    const refused = await feige('operator', 'test', 'sim');
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stdout, /bind_receiver: refused with command_status 0x0000000[de]/);
    assert.doesNotMatch(refused.stdout, /wrong"/);

    const taken = await feige('simulate', '--smsc-port', String(smppPort), '--data-dir', join(directory, 'other'));
    assert.equal(taken.exitCode, 1);
    assert.match(taken.stderr, /EADDRINUSE.*give another --smsc-port/);
  } finally {
    await endSimulator(simulator);
  }
  const nobody = await feige('operator', 'test', 'sim');
  assert.equal(nobody.exitCode, 1);
  assert.match(nobody.stdout, /failed after .*ECONNREFUSED/);
});

test('a simulated operator has telephones when it is given a port for them; trunk test reaches them', async () => {
  const { simulator, document } = await startSimulator<{ sipPort: number; handsets: string }>(
    '--sip-port',
    '0',
    '--data-dir',
    join(directory, 'with-telephones'),
  );
  try {
    const { sipPort, handsets } = document;
    await json('trunk', 'add', 'phones', '--host', '127.0.0.1', '--port', String(sipPort));
    const report = await feige('trunk', 'test', 'phones');
    assert.equal(report.exitCode, 0, report.stdout + report.stderr);
    assert.deepEqual(await (await fetch(`${handsets}0911222333/calls`)).json(), []);

    const taken = await feige('simulate', '--smsc-port', '0', '--sip-port', String(sipPort));
    assert.equal(taken.exitCode, 1);
    assert.match(taken.stderr, /EADDRINUSE.*give another --smsc-port or --sip-port/);
  } finally {
    await endSimulator(simulator);
  }
});
