import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, watch, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';

const BOOTSTRAP = new URL('../../scripts/bootstrap.mjs', import.meta.url);
/** Stands in for npm: installs half, says so, and unless it is told to hang installs the other half. */
const NPM = `
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
const half = existsSync('node_modules/half');
mkdirSync('node_modules/half', { recursive: true });
if (process.env.NPM_HANGS) {
  process.on('SIGTERM', () => setTimeout(() => { writeFileSync('npm-ended', ''); process.exit(143); }, 500));
}
process.stderr.write(half ? 'npm found a half\\n' : existsSync('npm-ended') ? 'npm began after another\\n' : 'npm began\\n');
if (process.env.NPM_HANGS) {
  setTimeout(() => {}, 60_000);
} else {
  mkdirSync('node_modules/node', { recursive: true });
  mkdirSync('node_modules/.bin', { recursive: true });
  writeFileSync('node_modules/node/package.json', '{}');
  if (process.env.NODE_SAYS) {
    const says = process.env.NODE_SAYS;
    writeFileSync('node_modules/.bin/node', \`#!/bin/sh\necho 'node: \${says}' >&2\nexit 127\n\`, { mode: 0o755 });
  } else if (!half) symlinkSync(process.execPath, 'node_modules/.bin/node');
}
`;

const directories: string[] = [];
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'feige-bootstrap-'));
  directories.push(root);
  await mkdir(join(root, 'scripts'));
  await copyFile(BOOTSTRAP, join(root, 'scripts/bootstrap.mjs'));
  await writeFile(join(root, 'package.json'), '{}');
  await writeFile(join(root, 'npm.mjs'), NPM);
});

after(async () => {
  for (const directory of directories) await rm(directory, { recursive: true });
});

function start(env: Record<string, string> = {}): ChildProcess {
  const npm = { npm_execpath: join(root, 'npm.mjs'), npm_node_execpath: process.execPath };
  return spawn(process.execPath, [join(root, 'scripts/bootstrap.mjs')], {
    env: { PATH: process.env.PATH, HOME: root, ...npm, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

async function endOf(child: ChildProcess): Promise<{ exitCode: number | null; said: string }> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  await once(child, 'close');
  return { exitCode: child.exitCode, said };
}

/** One that has begun to install and goes no further. */
async function startHanging(): Promise<ChildProcess> {
  const child = start({ NPM_HANGS: 'yes' });
  child.stderr?.setEncoding('utf8');
  let said = '';
  while (!said.includes('npm began')) said += String((await once(child.stderr ?? assert.fail(), 'data'))[0]);
  return child;
}

async function assertInstalled(): Promise<void> {
  assert.deepEqual((await readdir(join(root, 'node_modules'))).sort(), ['.bin', '.feige-installed', 'half', 'node']);
  assert.deepEqual(await endOf(start()), { exitCode: 0, said: '' });
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  test(`an installation that ${signal} ends waits for npm to end, and the next start begins anew`, async () => {
    const first = await startHanging();
    first.kill(signal);
    const second = endOf(start());
    assert.equal((await endOf(first)).exitCode, exitCode);
    const { exitCode: secondExitCode, said } = await second;
    assert.equal(secondExitCode, 0, said);
    assert.match(said, /^An earlier installation did not finish: node_modules is removed first\.\n/);
    assert.match(said, /npm began after another/);
    await assertInstalled();
  });
}

test('the lock of a run that was killed holds as long as its npm lives', async () => {
  const first = await startHanging();
  first.kill('SIGKILL');
  await once(first, 'exit');
  const npm = Number(await readFile(join(root, 'node_modules/.feige-installing/npm'), 'utf8'));
  const changes = watch(join(root, 'node_modules'));
  const second = endOf(start());
  // Its own lock, which it cannot put in place yet.
  for await (const { filename } of changes) if (filename?.startsWith('.feige-installing-')) break;
  process.kill(npm, 'SIGTERM');
  const { exitCode, said } = await second;
  assert.equal(exitCode, 0, said);
  assert.match(said, /npm began after another/);
  await assertInstalled();
});

test('a tree without a mark whose Node does not run is installed anew', async () => {
  await mkdir(join(root, 'node_modules/half'), { recursive: true });
  const { exitCode, said } = await endOf(start());
  assert.equal(exitCode, 0, said);
  assert.match(said, /npm found a half\n.*does not work.*\nnpm began\n/);
  await assertInstalled();
});

test('a Node that lacks a library of the system says which, and what installs it', async () => {
  const words = 'error while loading shared libraries: libatomic.so.1: cannot open shared object file';
  const { exitCode, said } = await endOf(start({ NODE_SAYS: words }));
  assert.equal(exitCode, 1);
  assert.ok(said.includes(words), said);
  assert.match(said, /apt-get install libatomic1/);
  assert.doesNotMatch(said, /npm rebuild/);
});
