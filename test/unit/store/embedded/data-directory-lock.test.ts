import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { lockDataDirectory } from '../../../../src/store/embedded/data-directory-lock.ts';
import { identifyProcess, isRunning } from '../../../../src/store/embedded/process-identity.ts';

let dataDir = '';

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'feige-lock-'));
});

afterEach(() => rm(dataDir, { recursive: true }));

test('of many that want the directory one gets it', async () => {
  const tries = await Promise.allSettled(Array.from({ length: 30 }, () => lockDataDirectory(dataDir)));
  const won = tries.filter((result) => result.status === 'fulfilled');
  assert.equal(won.length, 1);
});

test('a released directory can be taken again, and old locks do not pile up', async () => {
  for (let round = 0; round < 5; round += 1) {
    const lock = await lockDataDirectory(dataDir);
    await assert.rejects(lockDataDirectory(dataDir), { code: 'DATA_DIR_IN_USE' });
    await lock.release();
  }
  assert.deepEqual(await readdir(dataDir), ['lock.5']);
});

test('the lock of a process that died does not bind', async () => {
  const child = spawn('sleep', ['60']);
  const owner = identifyProcess(child.pid ?? 0);
  assert.ok(owner);
  await writeFile(join(dataDir, 'lock.3'), JSON.stringify(owner));
  await assert.rejects(lockDataDirectory(dataDir), { message: new RegExp(`process ${child.pid}`) });
  child.kill('SIGKILL');
  await once(child, 'exit');
  const lock = await lockDataDirectory(dataDir);
  await lock.release();
});

test('a process that got the id of a dead owner is not taken for it', async () => {
  const self = identifyProcess(process.pid);
  assert.ok(self && isRunning(self));
  const earlier = { ...self, startedAt: `${self.startedAt}0` };
  assert.equal(isRunning(earlier), false);
  await writeFile(join(dataDir, 'lock.1'), JSON.stringify(earlier));
  const lock = await lockDataDirectory(dataDir);
  await lock.release();
});

test('a lock that a crash of the machine left empty does not bind', async () => {
  await writeFile(join(dataDir, 'lock.9'), '');
  const lock = await lockDataDirectory(dataDir);
  assert.deepEqual(await readdir(dataDir), ['lock.10']);
  await lock.release();
});
