/**
 * The keys that a node works with: those of the environment, and on the embedded database that of the data directory,
 * which is made there when nobody gave one. Beside a database on a server no key is ever made: each node would make
 * its own (docs/decisions/0004).
 */
import { chown, link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FeigeError } from '../base/errors.ts';
import { makeSecretKey, parseSecretKey, SecretKeys } from '../base/secret-keys.ts';

const FILE_NAME = 'secret.key';
const OWNER_ONLY = 0o600;

export interface KeySource {
  /** Of the environment, the one that seals first. */
  readonly secretKeys: readonly string[];
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
}

/** Reads what is there. Throws DATA_DIR_UNUSABLE when the file of the data directory can't be used. */
export async function findSecretKeys(source: KeySource): Promise<SecretKeys> {
  const own = source.databaseUrl === undefined ? await readKeyFile(source.dataDir) : undefined;
  return new SecretKeys([...source.secretKeys, ...(own === undefined ? [] : [own])]);
}

/**
 * The same, and makes the file of the data directory when no key is there at all. For the process that owns the
 * directory.
 */
export async function openSecretKeys(source: KeySource): Promise<SecretKeys> {
  const found = await findSecretKeys(source);
  if (found.currentId !== undefined || source.databaseUrl !== undefined) return found;
  await makeKeyFile(source.dataDir);
  return findSecretKeys(source);
}

async function readKeyFile(dataDir: string): Promise<string | undefined> {
  const path = join(dataDir, FILE_NAME);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new FeigeError('DATA_DIR_UNUSABLE', `${path} cannot be read`, { cause: error });
  }
  const key = parseSecretKey(text.trim());
  if (key !== undefined) return key;
  const message = `${path} does not hold a key any more; it opens the passwords in the database beside it. Restore it, or move it away, start again and set those passwords anew.`;
  throw new FeigeError('DATA_DIR_UNUSABLE', message);
}

/** Appears whole or not at all, never replaces another one, and belongs to the owner of the directory. */
async function makeKeyFile(dataDir: string): Promise<void> {
  const path = join(dataDir, FILE_NAME);
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  await writeFile(draft, `${makeSecretKey()}\n`, { mode: OWNER_ONLY, flag: 'wx', flush: true });
  try {
    if (process.getuid?.() === 0) {
      const owner = await stat(dataDir);
      await chown(draft, owner.uid, owner.gid);
    }
    await link(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}
