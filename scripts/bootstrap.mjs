/**
 * Installs what is missing before `npm start`, `npm test` and the like, and does nothing when all is there.
 * Plain JavaScript for Node 18 or newer: it runs before the Node and the packages of this project are installed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
/** Names in node_modules that begin with a dot are left alone by npm. */
const STAMP = join(MODULES, '.feige-installed');
const LOCK = join(MODULES, '.feige-installing');
const NODE = join(MODULES, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
const NODE_MAJOR = 26;
const OLDEST_NODE_MAJOR = 18;
/** How long one run waits for another that installs. */
const LOCK_TIMEOUT_MS = 15 * 60_000;
const LOCK_POLL_MS = 200;

/** What a person can do something about; anything else is a defect and keeps its stack. */
class BootstrapFailure extends Error {}

try {
  main();
} catch (error) {
  if (!(error instanceof BootstrapFailure)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

function main() {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE_MAJOR) {
    fail(`Feige needs Node ${OLDEST_NODE_MAJOR} or newer to install itself; this is ${process.version}.`);
  }
  const wanted = fingerprint();
  if (isInstalled(wanted)) return;
  mkdirSync(MODULES, { recursive: true });
  lock();
  try {
    // Whoever held the lock before may have installed the same.
    if (!isInstalled(wanted)) install(wanted);
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}

/** Changes with what is to be installed; times of files are no guide, since a checkout sets them anew. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}\n`);
  for (const name of ['package.json', 'package-lock.json']) hash.update(readIfThere(join(ROOT, name)) ?? '');
  return hash.digest('hex');
}

function isInstalled(wanted) {
  return readIfThere(STAMP) === wanted && readIfThere(join(MODULES, 'node', 'package.json')) !== undefined;
}

function install(wanted) {
  process.stderr.write('Feige installs its packages (once; this takes a minute) …\n');
  // `install`, since `ci` refuses a lockfile that lacks optional packages of other platforms; nothing is saved.
  runNpm(['install', '--no-save', '--include=dev', '--engine-strict=false']);
  // Where npm is told to run no install scripts, the Node of this project is not there yet.
  if (nodeMajor() !== NODE_MAJOR) runNpm(['rebuild', 'node', '--ignore-scripts=false']);
  if (nodeMajor() !== NODE_MAJOR) {
    fail(
      `The package "node" is installed, but ${NODE} does not run as Node ${NODE_MAJOR}. ` +
        'Its install script may be blocked, or this system (musl?) is not one it is made for. ' +
        'Try: npm rebuild node --ignore-scripts=false --foreground-scripts',
    );
  }
  writeFileSync(STAMP, wanted);
}

function runNpm(options) {
  const quiet = ['--loglevel=error', '--no-audit', '--no-fund', '--no-progress', '--no-update-notifier'];
  const { npm_execpath: script, npm_node_execpath: node } = process.env;
  const isScript = script !== undefined && /\.[cm]?js$/.test(script);
  const command = isScript ? (node ?? process.execPath) : 'npm';
  const result = spawnSync(command, [...(isScript ? [script] : []), ...options, ...quiet], {
    cwd: ROOT,
    env: npmEnvironment(),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (result.error !== undefined) fail(`npm could not be started: ${result.error.message}`);
  if (result.signal !== null) fail(`npm ${options[0]} was ended by ${result.signal}.`);
  if (result.status !== 0) fail(`npm ${options[0]} failed (${result.status}); what it said stands above.`);
}

/** A user without a home of its own (a service account) has no place for npm's cache either. */
function npmEnvironment() {
  const cache = process.env.npm_config_cache ?? join(process.env.HOME ?? '/', '.npm');
  try {
    mkdirSync(cache, { recursive: true });
    accessSync(cache, constants.W_OK);
    return process.env;
  } catch {
    return { ...process.env, npm_config_cache: join(MODULES, '.npm-cache') };
  }
}

function nodeMajor() {
  const result = spawnSync(NODE, ['--version'], { encoding: 'utf8', shell: process.platform === 'win32' });
  return Number(/^v(\d+)\./.exec(result.stdout ?? '')?.[1]);
}

/** One run at a time: the lock is a directory that appears together with its owner's process id in it. */
function lock() {
  const draft = mkdtempSync(`${LOCK}-`);
  writeFileSync(join(draft, 'owner'), String(process.pid));
  const deadline = Date.now() + LOCK_TIMEOUT_MS;
  while (!tryRename(draft, LOCK)) {
    breakDeadLock();
    if (Date.now() > deadline) {
      rmSync(draft, { recursive: true, force: true });
      fail(`Another run has been installing for too long. If there is none, remove ${LOCK}`);
    }
    sleep(LOCK_POLL_MS);
  }
}

/** Takes away the lock of a process that died. Moved first: of two runs that try, one succeeds. */
function breakDeadLock() {
  const owner = readIfThere(join(LOCK, 'owner'));
  if (owner === undefined || isAlive(Number(owner))) return;
  const grave = `${LOCK}-dead-${process.pid}`;
  if (!tryRename(LOCK, grave)) return;
  // Between the look and the move a living run may have taken it: then it is given back.
  if (readIfThere(join(grave, 'owner')) !== owner && tryRename(grave, LOCK)) return;
  rmSync(grave, { recursive: true, force: true });
}

function isAlive(processId) {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function tryRename(from, to) {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'EPERM', 'ENOENT'].includes(error.code)) return false;
    throw error;
  }
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function sleep(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function fail(message) {
  throw new BootstrapFailure(message);
}
