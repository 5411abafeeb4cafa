/**
 * Lets one process at a time use a data directory. A lock is a file `lock.N` that names its owner. The highest N
 * counts, and it is in force only while its owner runs. The highest is never removed, so two processes that find the
 * same dead owner both try to link N+1, and one of them fails.
 */
import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FeigeError } from '../../base/errors.ts';
import { identifyProcess, isRunning, type ProcessIdentity } from './process-identity.ts';

const LOCK_FILE = /^lock\.(\d{1,15})$/;
/** A try is lost only to another process that won one, so a handful is plenty. */
const MAX_TRIES = 10;

export interface DataDirectoryLock {
  release(): Promise<void>;
}

/**
 * Takes the lock of `dataDir`, which exists. Throws DATA_DIR_IN_USE, naming the owner, while another process
 * (or this one) holds it.
 */
export async function lockDataDirectory(dataDir: string): Promise<DataDirectoryLock> {
  const self = identifyProcess(process.pid) ?? { processId: process.pid, startedAt: '' };
  const draft = join(dataDir, `.lock-${randomUUID()}`);
  await writeFile(draft, JSON.stringify(self), { mode: 0o600 });
  try {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const highest = await highestLock(dataDir);
      const owner = await readOwner(join(dataDir, `lock.${highest}`));
      if (owner !== undefined && isRunning(owner)) throw inUse(dataDir, owner.processId);
      const mine = highest + 1;
      const path = join(dataDir, `lock.${mine}`);
      if (!(await linkIfAbsent(draft, path))) continue;
      // A slow process may link a number that a faster one has already passed and cleaned away.
      if ((await highestLock(dataDir)) !== mine) {
        await rm(path, { force: true });
        continue;
      }
      await removeLocksBelow(dataDir, mine);
      return { release: () => releaseLock(dataDir, path) };
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new FeigeError('DATA_DIR_IN_USE', `${dataDir}: several processes start at once on this data directory`);
}

function inUse(dataDir: string, processId: number): FeigeError {
  const message = `${dataDir} is in use by another Feige (process ${processId}). Stop it first, or set DATA_DIR to another directory.`;
  return new FeigeError('DATA_DIR_IN_USE', message);
}

async function highestLock(dataDir: string): Promise<number> {
  const numbers = (await readdir(dataDir)).map((name) => Number(LOCK_FILE.exec(name)?.[1] ?? 0));
  return Math.max(0, ...numbers);
}

async function removeLocksBelow(dataDir: string, mine: number): Promise<void> {
  for (const name of await readdir(dataDir)) {
    const number = Number(LOCK_FILE.exec(name)?.[1] ?? mine);
    if (number < mine) await rm(join(dataDir, name), { force: true });
  }
}

/** A process that crashed with its machine may leave an empty file; a released lock names no process. */
async function readOwner(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const owner: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof owner !== 'object' || owner === null || !('processId' in owner) || !('startedAt' in owner)) return;
    return { processId: Number(owner.processId), startedAt: String(owner.startedAt) };
  } catch (error) {
    if (error instanceof SyntaxError || isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function releaseLock(dataDir: string, path: string): Promise<void> {
  const draft = join(dataDir, `.lock-${randomUUID()}`);
  await writeFile(draft, '{}', { mode: 0o600 });
  await rename(draft, path);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
