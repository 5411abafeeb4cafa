/**
 * One life of a PostgreSQL server process: started in a process group of its own, so that Ctrl-C at the
 * terminal reaches Node only, watched until it is ready, and stopped in steps that each have a time limit.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { FeigeError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { PostgresHome, SystemAccount } from './postgres-binaries.ts';
import { CHILD_ENVIRONMENT, WORKING_DIRECTORY } from './postgres-cluster.ts';
import { identifyProcess, isRunning, type ProcessIdentity } from './process-identity.ts';

/** Crash recovery replays up to max_wal_size of log; a laptop's disk does that well within this. */
const READY_TIMEOUT_MS = 600_000;
const READY_POLL_MS = 15;
const EXIT_POLL_MS = 20;
const STILL_WAITING_NOTICE_MS = 10_000;
/** Fast shutdown writes a checkpoint; the immediate one leaves the log to be replayed at the next start. */
const FAST_SHUTDOWN_MS = 5_000;
const IMMEDIATE_SHUTDOWN_MS = 2_000;
const KILL_MS = 1_000;
const MAX_KEPT_LINES = 20;

/** Line numbers of postmaster.pid, from 0 (src/include/utils/pidfile.h). */
const PID_LINE = 0;
const STATUS_LINE = 7;

export interface ServerSettings {
  [name: string]: string;
}

export type StartOutcome =
  | { kind: 'ready'; identity: ProcessIdentity; child: ChildProcess }
  /** It ended by itself; `lines` are the last ones it wrote. */
  | { kind: 'ended'; lines: string[] };

/**
 * Starts the server of the cluster `clusterDir` and waits until it takes connections. `onSpawned` runs as
 * soon as the process exists, so that its identity can be noted before anything else happens.
 */
export async function startServer(options: {
  home: PostgresHome;
  account: SystemAccount | undefined;
  clusterDir: string;
  settings: ServerSettings;
  log: Logger;
  onSpawned: (identity: ProcessIdentity) => Promise<void>;
}): Promise<StartOutcome> {
  const { home, account, clusterDir, settings, log, onSpawned } = options;
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(join(home, 'bin', 'postgres'), ['-D', WORKING_DIRECTORY, ...flags], {
    ...account,
    cwd: clusterDir,
    env: CHILD_ENVIRONMENT,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines = followLog(child, log);
  const ended = new Promise<void>((resolve, reject) => {
    child.once('close', () => resolve());
    child.once('error', (error) => {
      reject(
        new FeigeError('EMBEDDED_POSTGRES_FAILED', `PostgreSQL could not be started: ${error.message}`, {
          cause: error,
        }),
      );
    });
  });
  const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
  if (identity === undefined) {
    await ended;
    return { kind: 'ended', lines };
  }
  await onSpawned(identity);
  const outcome = await Promise.race([ended.then(() => 'ended' as const), untilReady(clusterDir, identity, log)]);
  if (outcome === 'ended') {
    // The process can be gone before its last lines have come through the pipe.
    await ended;
    return { kind: 'ended', lines };
  }
  // Whoever started it stops it; until then it must not keep Node from ending.
  child.unref();
  return { kind: 'ready', identity, child };
}

/** Servers that were told to stop: of what they end then nobody has to hear. */
const stopping = new Set<number | undefined>();

/** Passes the server's own lines on, and keeps the last of them for an error message. */
function followLog(child: ChildProcess, log: Logger): string[] {
  const lines: string[] = [];
  if (child.stderr === null) return lines;
  const reader = createInterface({ input: child.stderr });
  reader.on('line', (line) => {
    lines.push(line);
    if (lines.length > MAX_KEPT_LINES) lines.shift();
    const isTold = stopping.has(child.pid) && line.includes('due to administrator command');
    if (!isTold && / (?:PANIC|FATAL|ERROR|WARNING): /.test(line)) log.warn({ postgres: line }, 'PostgreSQL says');
    else log.debug({ postgres: line }, 'PostgreSQL says');
  });
  const { stderr } = child;
  if ('unref' in stderr && typeof stderr.unref === 'function') stderr.unref();
  return lines;
}

/** Waits for the word "ready" in postmaster.pid, as pg_ctl does; ends too when the process is gone. */
async function untilReady(clusterDir: string, identity: ProcessIdentity, log: Logger): Promise<'ready' | 'ended'> {
  const startedMs = performance.now();
  let noticeMs = STILL_WAITING_NOTICE_MS;
  while (isRunning(identity)) {
    const file = readPostmasterFile(clusterDir);
    if (file?.processId === identity.processId && file.status === 'ready') return 'ready';
    const waitedMs = performance.now() - startedMs;
    if (waitedMs > READY_TIMEOUT_MS) {
      throw new FeigeError('EMBEDDED_POSTGRES_FAILED', `PostgreSQL was not ready after ${READY_TIMEOUT_MS / 1000} s`);
    }
    if (waitedMs > noticeMs) {
      log.info('PostgreSQL is still starting; after a crash it replays its log first');
      noticeMs += STILL_WAITING_NOTICE_MS;
    }
    await pause(READY_POLL_MS);
  }
  return 'ended';
}

/** What a server notes in its cluster while it runs; undefined when there is no note. */
export function readPostmasterFile(clusterDir: string): { processId: number; status: string } | undefined {
  try {
    const lines = readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
    return { processId: Number(lines[PID_LINE]), status: (lines[STATUS_LINE] ?? '').trim() };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Stops the server: fast (SIGINT), then immediate (SIGQUIT), then by force. Resolves when the process is gone. */
export async function stopServer(identity: ProcessIdentity, log: Logger): Promise<void> {
  const steps = [
    { signal: 'SIGINT', waitMs: FAST_SHUTDOWN_MS },
    { signal: 'SIGQUIT', waitMs: IMMEDIATE_SHUTDOWN_MS },
    { signal: 'SIGKILL', waitMs: KILL_MS },
  ] as const;
  stopping.add(identity.processId);
  for (const { signal, waitMs } of steps) {
    if (!isRunning(identity)) return;
    if (signal !== 'SIGINT') log.warn({ signal }, 'PostgreSQL takes too long to stop');
    sendSignal(identity.processId, signal);
    if (await untilGone(identity, waitMs)) return;
  }
  throw new FeigeError('EMBEDDED_POSTGRES_FAILED', `PostgreSQL (process ${identity.processId}) does not stop`);
}

/** Whether the process was gone within `waitMs`. */
export async function untilGone(identity: ProcessIdentity, waitMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + waitMs;
  while (isRunning(identity)) {
    if (performance.now() > deadlineMs) return false;
    await pause(EXIT_POLL_MS);
  }
  return true;
}

function sendSignal(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
