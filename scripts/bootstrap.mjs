/**
 * Installs what is missing before `npm start`, `npm test` and the like, and does nothing when all is there.
 * Whatever ends it (Ctrl-C, a kill, a failure), the next run finds that out and installs everything anew.
 * Plain JavaScript for Node 18 or newer: it runs before the Node and the packages of this project are installed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { constants as system } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
/** Names in node_modules that begin with a dot are left alone by npm. */
const STAMP = join(MODULES, '.feige-installed');
const LOCK_NAME = '.feige-installing';
const LOCK = join(MODULES, LOCK_NAME);
/** Is there from before npm begins until it is known to be done: what lies beside it may be half of a package. */
const UNFINISHED = join(MODULES, '.feige-unfinished');
const NPM_CACHE_NAME = '.npm-cache';
const NODE = join(MODULES, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
const NODE_MAJOR = 26;
const OLDEST_NODE_MAJOR = 18;
/** How long one run waits for another that installs. */
const LOCK_TIMEOUT_MS = 15 * 60_000;
const LOCK_POLL_MS = 200;
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** How long npm has to end after SIGTERM, before SIGKILL. */
const NPM_GRACE_MS = 10_000;
const HAS_GROUPS = process.platform !== 'win32';

/** What a person can do something about; anything else is a defect and keeps its stack. */
class BootstrapFailure extends Error {
  exitCode = 1;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof BootstrapFailure)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}

async function main() {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE_MAJOR) {
    fail(`Feige needs Node ${OLDEST_NODE_MAJOR} or newer to install itself; this is ${process.version}.`);
  }
  const wanted = fingerprint();
  if (isInstalled(wanted)) return;
  const interruption = catchSignals();
  mkdirSync(MODULES, { recursive: true });
  await lock(interruption);
  try {
    // Whoever held the lock before may have installed the same.
    if (!isInstalled(wanted)) await install(wanted, interruption);
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}

/** Aborts with the name of the first signal as its reason. Nothing ends this process at once, since npm ends first. */
function catchSignals() {
  const interruption = new AbortController();
  for (const name of ENDING_SIGNALS) process.on(name, () => interruption.abort(name));
  return interruption.signal;
}

function stopIfInterrupted(interruption) {
  if (!interruption.aborted) return;
  const failure = new BootstrapFailure(`Ended by ${interruption.reason} before all packages were installed.`);
  failure.exitCode = 128 + system.signals[interruption.reason];
  throw failure;
}

/** Changes with what is to be installed; times of files are no guide, since a checkout sets them anew. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}\n`);
  for (const name of ['package.json', 'package-lock.json']) hash.update(readIfThere(join(ROOT, name)) ?? '');
  return hash.digest('hex');
}

function isInstalled(wanted) {
  return (
    readIfThere(UNFINISHED) === undefined &&
    readIfThere(STAMP) === wanted &&
    readIfThere(join(MODULES, 'node', 'package.json')) !== undefined
  );
}

async function install(wanted, interruption) {
  if (readIfThere(UNFINISHED) !== undefined) {
    process.stderr.write('An earlier installation did not finish: node_modules is removed first.\n');
    removePackages();
  }
  const isFresh = packageEntries().length === 0;
  process.stderr.write('Feige installs its packages (once; this takes a minute) …\n');
  await installPackages(interruption);
  if (nodeMajor() !== NODE_MAJOR && !isFresh) {
    // npm repairs no package whose package.json is there: what it found may have been half of one.
    process.stderr.write('What was in node_modules does not work: it is removed, and everything is installed anew …\n');
    removePackages();
    await installPackages(interruption);
  }
  if (nodeMajor() !== NODE_MAJOR) {
    fail(`The package "node" is installed, but ${NODE} does not run as Node ${NODE_MAJOR}. ${remedy()}`);
  }
  writeFileSync(STAMP, wanted);
}

async function installPackages(interruption) {
  rmSync(STAMP, { force: true });
  writeFileSync(UNFINISHED, '');
  // `install`, since `ci` refuses a lockfile that lacks optional packages of other platforms; nothing is saved.
  await runNpm(['install', '--no-save', '--include=dev', '--engine-strict=false'], interruption);
  // Where npm is told to run no install scripts, the Node of this project is not there yet.
  if (nodeMajor() !== NODE_MAJOR) await runNpm(['rebuild', 'node', '--ignore-scripts=false'], interruption);
  // Before the Node is judged: what a person then repairs by hand is not to be removed by the next start.
  rmSync(UNFINISHED);
}

/** All of node_modules but the mark that it is unfinished, the locks of this and waiting runs, and npm's cache. */
function packageEntries() {
  return readdirSync(MODULES)
    .filter((name) => !name.startsWith(LOCK_NAME) && name !== NPM_CACHE_NAME)
    .map((name) => join(MODULES, name))
    .filter((path) => path !== UNFINISHED);
}

function removePackages() {
  writeFileSync(UNFINISHED, '');
  for (const path of packageEntries()) rmSync(path, { recursive: true, force: true, maxRetries: 3 });
}

async function runNpm(options, interruption) {
  stopIfInterrupted(interruption);
  const quiet = ['--loglevel=error', '--no-audit', '--no-fund', '--no-progress', '--no-update-notifier'];
  const { npm_execpath: script, npm_node_execpath: node } = process.env;
  const isScript = script !== undefined && /\.[cm]?js$/.test(script);
  const command = isScript ? (node ?? process.execPath) : 'npm';
  const child = spawn(command, [...(isScript ? [script] : []), ...options, ...quiet], {
    cwd: ROOT,
    env: npmEnvironment(),
    stdio: ['ignore', 'ignore', 'inherit'],
    // A group of its own, so that the install scripts it runs end with it.
    detached: HAS_GROUPS,
  });
  if (child.pid !== undefined) writeFileSync(join(LOCK, 'npm'), String(child.pid));
  const result = await endOf(child, interruption);
  stopIfInterrupted(interruption);
  if (result.error !== undefined) fail(`npm could not be started: ${result.error.message}`);
  if (result.signal !== null) fail(`npm ${options[0]} was ended by ${result.signal}.`);
  if (result.status !== 0) fail(`npm ${options[0]} failed (${result.status}); what it said stands above.`);
}

/** Waits until npm is gone; after an interruption sees to it that it goes, and whatever it started with it. */
async function endOf(child, interruption) {
  let patience;
  const end = () => {
    signalGroup(child, 'SIGTERM');
    patience = setTimeout(() => signalGroup(child, 'SIGKILL'), NPM_GRACE_MS);
  };
  interruption.addEventListener('abort', end, { once: true });
  const result = await new Promise((resolve) => {
    child.once('error', (error) => resolve({ error, status: null, signal: null }));
    child.once('exit', (status, signal) => resolve({ status, signal }));
  });
  interruption.removeEventListener('abort', end);
  clearTimeout(patience);
  if (interruption.aborted) signalGroup(child, 'SIGKILL');
  return result;
}

function signalGroup(child, name) {
  if (child.pid === undefined) return;
  try {
    if (HAS_GROUPS) process.kill(-child.pid, name);
    else child.kill(name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** A user without a home of its own (a service account) has no place for npm's cache either. */
function npmEnvironment() {
  const cache = process.env.npm_config_cache ?? join(process.env.HOME ?? '/', '.npm');
  try {
    mkdirSync(cache, { recursive: true });
    accessSync(cache, constants.W_OK);
    return process.env;
  } catch {
    return { ...process.env, npm_config_cache: join(MODULES, NPM_CACHE_NAME) };
  }
}

function nodeMajor() {
  return Number(/^v(\d+)\./.exec(runNode().stdout ?? '')?.[1]);
}

function runNode() {
  return spawnSync(NODE, ['--version'], { encoding: 'utf8', shell: process.platform === 'win32' });
}

/** What a person can do about a Node that does not run. */
function remedy() {
  const said = (runNode().stderr ?? '').trim();
  // A library that Debian's slim systems lack, and Debian's own Node does not need.
  if (said.includes('libatomic.so.1')) return `It said: ${said}\nOn Debian and Ubuntu: apt-get install libatomic1`;
  return (
    'Its install script may be blocked, or this system (musl?) is not one it is made for. ' +
    'Try: npm rebuild node --ignore-scripts=false --foreground-scripts' +
    (said === '' ? '' : `\nIt said: ${said}`)
  );
}

/** One run at a time: the lock is a directory that appears together with its owner's process id in it. */
async function lock(interruption) {
  const draft = mkdtempSync(`${LOCK}-`);
  writeFileSync(join(draft, 'owner'), String(process.pid));
  const deadline = Date.now() + LOCK_TIMEOUT_MS;
  try {
    while (!tryRename(draft, LOCK)) {
      breakDeadLock();
      if (Date.now() > deadline) {
        fail(`Another run has been installing for too long. If there is none, remove ${LOCK}`);
      }
      await sleep(LOCK_POLL_MS);
      stopIfInterrupted(interruption);
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Takes away the lock of a process that died, and whose npm is gone too. Moved first: of two runs that try, one succeeds. */
function breakDeadLock() {
  const owner = readIfThere(join(LOCK, 'owner'));
  if (owner === undefined || isAlive(Number(owner)) || isAlive(Number(readIfThere(join(LOCK, 'npm'))))) return;
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

function fail(message) {
  throw new BootstrapFailure(message);
}
