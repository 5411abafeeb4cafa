/**
 * Makes a PostgreSQL cluster (initdb): UTF-8, one collation on every system, data checksums, scram passwords
 * for everybody. A cluster is whole or not there: it is filled under another name and renamed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FeigeError } from '../../base/errors.ts';
import type { PostgresHome, SystemAccount } from './postgres-binaries.ts';

/** The superuser of the cluster. */
export const CLUSTER_USER = 'feige';
const MAJOR_VERSION = '18';
const INITDB_TIMEOUT_MS = 120_000;
/** initdb writes a page or so; more is a runaway. */
const MAX_OUTPUT_CHARACTERS = 16_384;

/**
 * How a child names its own working directory. A server that changed its user can't walk the path to a
 * private directory, but it may stay in the one it was started in.
 */
export const WORKING_DIRECTORY = process.platform === 'linux' ? '/proc/self/cwd' : '.';

/** Everything a child of ours sees of the environment: no PG* variable of the user's may bend it. */
export const CHILD_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/**
 * Whether `clusterDir` holds a cluster. Throws DATA_DIR_UNUSABLE when it belongs to another major version.
 */
export async function hasCluster(clusterDir: string): Promise<boolean> {
  const versionFile = join(clusterDir, 'PG_VERSION');
  if (!existsSync(versionFile)) return false;
  const version = (await readFile(versionFile, 'utf8')).trim();
  if (version === MAJOR_VERSION) return true;
  const message = `${clusterDir} was made by PostgreSQL ${version}; this Feige brings ${MAJOR_VERSION}. Dump and restore it, or set DATA_DIR to another directory.`;
  throw new FeigeError('DATA_DIR_UNUSABLE', message);
}

/** Makes the cluster `clusterDir`, whose parent exists, owned by `account`; the superuser's password is `password`. */
export async function makeCluster(
  home: PostgresHome,
  account: SystemAccount | undefined,
  clusterDir: string,
  password: string,
): Promise<void> {
  const draft = `${clusterDir}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  if (account !== undefined) await chown(draft, account.uid, account.gid);
  await runInitdb(home, account, draft, password);
  await chmod(draft, 0o700);
  await rename(draft, clusterDir);
}

async function runInitdb(
  home: PostgresHome,
  account: SystemAccount | undefined,
  draft: string,
  password: string,
): Promise<void> {
  // The password is handed over as an open file without a name: nobody else can open it, and nothing stays.
  const passwordPath = join(dirname(draft), '.initdb-password');
  await rm(passwordPath, { force: true });
  const passwordFile = await open(passwordPath, 'wx+', 0o600);
  try {
    await passwordFile.writeFile(`${password}\n`);
    if (account !== undefined) await passwordFile.chown(account.uid, account.gid);
    const child = spawn(
      join(home, 'bin', 'initdb'),
      [
        `--pgdata=${WORKING_DIRECTORY}`,
        `--username=${CLUSTER_USER}`,
        '--pwfile=/dev/fd/3',
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--data-checksums',
        '--no-instructions',
      ],
      {
        ...account,
        cwd: draft,
        env: CHILD_ENVIRONMENT,
        stdio: ['ignore', 'pipe', 'pipe', passwordFile.fd],
        timeout: INITDB_TIMEOUT_MS,
      },
    );
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-MAX_OUTPUT_CHARACTERS);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    const [code, signal] = await once(child, 'close');
    if (code === 0) return;
    throw new FeigeError('EMBEDDED_POSTGRES_FAILED', `initdb ended with ${code ?? signal}: ${output.trim()}`);
  } catch (error) {
    if (error instanceof FeigeError) throw error;
    throw new FeigeError('EMBEDDED_POSTGRES_FAILED', `initdb could not be started: ${String(error)}`, { cause: error });
  } finally {
    await passwordFile.close();
    await rm(passwordPath, { force: true });
  }
}
