/**
 * A file system of the test's own for the database, so that its disk can be full without anybody else's being so: an
 * ext4 image on a loop device. Only root can mount one; elsewhere the database lies in a plain directory that never fills,
 * and on CI that is an error.
 */
import { execFile } from 'node:child_process';
import { mkdir, open, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { skipIf } from '../harness/prerequisite.ts';

const run = promisify(execFile);
const MIB = 1_048_576;
/** The cluster itself and a minute's log, and what a second of load may add. */
const BASE_MIB = 1_024;
const MIB_A_SECOND = 12;
/** More than the bookkeeping of one large file takes; the rest is filled block by block. */
const LEFT_BYTES = 8 * MIB;
const BLOCK_BYTES = 65_536;

export interface DatabaseVolume {
  readonly path: string;
  /** Why its disk can't be filled; undefined when it can. */
  readonly notMounted: string | undefined;
  /** Leaves no byte free. */
  fill(): Promise<void>;
  empty(): Promise<void>;
  remove(): Promise<void>;
}

export async function makeDatabaseVolume(directory: string, seconds: number): Promise<DatabaseVolume> {
  const path = join(directory, 'volume');
  const image = join(directory, 'volume.img');
  await mkdir(path);
  const notMounted = await mount(image, path, BASE_MIB + seconds * MIB_A_SECOND).catch((error: unknown) =>
    error instanceof Error ? (error.message.split('\n')[0] ?? 'unknown') : String(error),
  );
  skipIf(notMounted !== undefined && `the disk of the database cannot be filled: ${notMounted}`);
  const ballast = join(path, 'ballast');
  return {
    path,
    notMounted,
    fill: async () => {
      if (notMounted !== undefined) return;
      const { bavail, bsize } = await statfs(path);
      await run('fallocate', ['-l', String(Math.max(bsize, bavail * bsize - LEFT_BYTES)), ballast]);
      await fillRest(`${ballast}.rest`);
    },
    empty: async () => {
      await rm(ballast, { force: true });
      await rm(`${ballast}.rest`, { force: true });
    },
    remove: async () => {
      if (notMounted === undefined) await run('umount', ['--lazy', path]);
      await rm(image, { force: true });
    },
  };
}

async function mount(image: string, path: string, mebibytes: number): Promise<undefined> {
  if (process.getuid?.() !== 0) throw new Error('only root can mount');
  await writeFile(image, '');
  await truncate(image, mebibytes * MIB);
  await run('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  await run('mount', ['-o', 'loop', image, path]);
  return undefined;
}

/** Block by block until the file system takes no more. */
async function fillRest(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    const block = Buffer.alloc(BLOCK_BYTES);
    for (let written = 0; written < 2 * LEFT_BYTES; written += BLOCK_BYTES) await file.write(block);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  } finally {
    await file.close();
  }
}
