import assert from 'node:assert/strict';
import { execFile, type ExecFileException, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeSecretKey } from '../../src/base/secret-keys.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const FEIGE = fileURLToPath(new URL('../../src/cli/feige.ts', import.meta.url));
const PASSWORD = 'operators-own';

let database: TestDatabase;

before(async () => {
  database = await createTestDatabase();
});
after(() => database.drop());

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function feige(words: string, secretKey = '', input = ''): Promise<Ended> {
  const env = { PATH: process.env.PATH, DATABASE_URL: database.url, SECRET_KEY: secretKey };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [FEIGE, ...words.split(' ')],
      { env },
      (error: ExecFileException | null, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
    child.stdin?.end(input);
  });
}

async function formsUnder(secretKey: string): Promise<string[]> {
  const { stdout } = await feige('secret status --json', secretKey);
  const { passwords } = JSON.parse(stdout) as { passwords: { name: string; form: string }[] };
  return passwords.map(({ name, form }) => `${name} ${form}`);
}

const ADD = 'operator add alpha --host smsc.example --system-id me --password-stdin';

test('a key is made, wanted, used, and changed while nothing is lost', async () => {
  const [old, anew] = await Promise.all(
    [feige('secret key'), feige('secret key')].map(async (key) => (await key).stdout.trim()),
  );
  assert.ok(old && anew && old !== anew);

  const refused = await feige(ADD, '', PASSWORD);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^error: SECRET_KEY_MISSING: .*set SECRET_KEY or SECRET_KEY_FILE.*"feige secret key"/);
  assert.doesNotMatch(refused.stderr, /\n\s+at /);

  assert.equal((await feige(ADD, old, PASSWORD)).code, 0);
  assert.deepEqual(await formsUnder(old), ['alpha sealed']);
  assert.equal((await feige('secret status', old)).code, 0);

  assert.deepEqual(await formsUnder(`${anew},${old}`), ['alpha sealed-before']);
  const rotated = await feige('secret rotate', `${anew},${old}`);
  assert.deepEqual([rotated.code, rotated.stdout], [0, 'sealed 1 password anew\n']);
  assert.deepEqual(await formsUnder(anew), ['alpha sealed']);
});

test('with a wrong key everything but the password works, and it is said what to do', async () => {
  const wrong = makeSecretKey();
  const status = await feige('secret status', wrong);
  assert.equal(status.code, 1);
  assert.match(
    status.stdout,
    /alpha +its password is sealed under the key [0-9a-f]{8}, which is not among those given/,
  );
  assert.equal((await feige('operator set alpha --throttle 5', wrong)).code, 0);
  const listed = await feige('operator list', wrong);
  assert.equal(listed.code, 0);
  assert.match(listed.stdout, /\nalpha: its password is sealed under the key/);
  const tried = await feige('operator test alpha', wrong);
  assert.equal(tried.code, 1);
  assert.match(tried.stderr, /^error: alpha cannot be tried: its password is sealed under/);
  assert.equal((await feige('operator set alpha --password-stdin', wrong, 'another')).code, 0);
  assert.deepEqual(await formsUnder(wrong), ['alpha sealed']);
});

test('a command takes a password on its line out of the list of processes', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'feige-cli-'));
  const child = spawn(process.execPath, [FEIGE, 'simulate', '--smsc-port', '0', '--json', '--password', PASSWORD], {
    env: { PATH: process.env.PATH, DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await once(child.stdout, 'data');
    assert.doesNotMatch(await readFile(`/proc/${child.pid}/cmdline`, 'utf8'), new RegExp(PASSWORD));
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
    await rm(dataDir, { recursive: true });
  }
});
