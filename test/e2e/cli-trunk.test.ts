import assert from 'node:assert/strict';
import { execFile, type ExecFileException } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FollowingClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { makeSecretKey } from '../../src/base/secret-keys.ts';
import { SimulatedTelephone } from '../../src/simulator/callee.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const SECRET_KEY = makeSecretKey();

let database: TestDatabase;
let telephone: SimulatedTelephone;
let port = 0;

before(async () => {
  database = await createTestDatabase();
  telephone = new SimulatedTelephone({
    host: '127.0.0.1',
    port: 0,
    dataDir: undefined,
    clock: new FollowingClock(),
    log: createLogger({ level: 'silent' }),
  });
  port = (await telephone.start()).port;
});
after(async () => {
  await telephone.stop();
  await database.drop();
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function feige(words: string[], input = ''): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['src/cli/feige.ts', ...words],
      { cwd: ROOT, env: { ...process.env, DATABASE_URL: database.url, SECRET_KEY } },
      (error: ExecFileException | null, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
    child.stdin?.end(input);
  });
}

test('a trunk is added, listed, changed, tested and removed, and its password is never shown', async () => {
  const added = await feige(
    ['trunk', 'add', 'pbx', '--host', '127.0.0.1', '--port', String(port), '--username', 'u', '--password-stdin'],
    's3cret\n',
  );
  assert.equal(added.code, 0, added.stderr);
  assert.ok(!added.stdout.includes('s3cret'));
  assert.equal((await feige(['trunk', 'add', 'pbx', '--host', 'x.test'])).code, 1);

  const changed = await feige(['trunk', 'set', 'pbx', '--max-calls', '60', '--prefixes', '8869', '--json']);
  const { settings } = JSON.parse(changed.stdout) as { settings: Record<string, unknown> };
  assert.deepEqual([settings.maxCalls, settings.prefixes, settings.password], [60, ['8869'], '********']);
  assert.equal((await feige(['trunk', 'set', 'pbx', '--max-calls', '60'])).code, 2);

  const listed = JSON.parse((await feige(['trunk', 'list', '--json'])).stdout) as { name: string }[];
  assert.deepEqual(
    listed.map((trunk) => trunk.name),
    ['pbx'],
  );

  const tested = await feige(['trunk', 'test', 'pbx', '--json']);
  assert.equal(tested.code, 0, tested.stderr);
  assert.equal((JSON.parse(tested.stdout) as { alive: boolean }).alive, true);

  const removed = await feige(['trunk', 'remove', 'pbx']);
  assert.equal(removed.code, 0);
  assert.equal((await feige(['trunk', 'show', 'pbx'])).code, 1);
});

test('a trunk that does not answer is reported with exit code 1', async () => {
  await feige(['trunk', 'add', 'gone', '--host', '127.0.0.1', '--port', '9', '--answer-timeout-ms', '500']);
  const tested = await feige(['trunk', 'test', 'gone']);
  assert.equal(tested.code, 1);
  assert.match(tested.stdout, /^gone at 127\.0\.0\.1:9 over udp: /);
});

test('wrong settings are named all at once, with exit code 2', async () => {
  const { code, stderr } = await feige(['trunk', 'add', 'bad', '--port', '0', '--transport', 'sctp']);
  assert.equal(code, 2);
  for (const flag of ['--host', '--port', '--transport']) assert.ok(stderr.includes(flag), stderr);
});

test('a call that does not exist is said so', async () => {
  const { code, stderr } = await feige(['call', 'show', '100000042']);
  assert.equal(code, 1);
  assert.match(stderr, /there is no call 100000042/);
});
