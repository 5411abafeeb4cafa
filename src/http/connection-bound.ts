/**
 * How many connections a listener accepts. Some of the process's file descriptors are kept back for the database,
 * operators, callbacks and calls, so that clients can never use them up.
 */
import { readFileSync } from 'node:fs';

export const MAX_CONNECTIONS = 10_000;
/**
 * What everything else needs at its busiest: 500 calls with a port each, 256 callbacks, SIP peers, operators, the
 * database.
 */
const RESERVED_FILES = 1_000;
/** With fewer files in all, clients get half: better few of them than none. */
const LEAST_SHARE = 0.5;
const MIN_CONNECTIONS = 16;
/** Below this, the start prints a warning. */
const WORTH_A_WARNING = MAX_CONNECTIONS / 2;

/** `max open files`, as getrlimit(2) gives the soft one. Node raises it to the hard one when it starts. */
const SOFT_LIMIT = /^Max open files\s+(\d+|unlimited)/m;

/** Files that this process may have open at once; undefined where the system does not tell (only Linux does). */
export function readOpenFileLimit(path = '/proc/self/limits'): number | undefined {
  try {
    const found = SOFT_LIMIT.exec(readFileSync(path, 'utf8'))?.[1];
    return found === undefined || found === 'unlimited' ? undefined : Number(found);
  } catch {
    return undefined;
  }
}

/** How many connections each of these listeners may have. */
export function connectionsEach(openFiles: number | undefined, listeners: number): number {
  if (openFiles === undefined) return MAX_CONNECTIONS;
  const forClients = Math.max(openFiles - RESERVED_FILES, openFiles * LEAST_SHARE);
  return Math.min(MAX_CONNECTIONS, Math.max(MIN_CONNECTIONS, Math.floor(forClients / listeners)));
}

/** A warning if the platform could take far more connections; undefined when all is well. */
export function connectionWarning(openFiles: number | undefined, listeners: number): string | undefined {
  const each = connectionsEach(openFiles, listeners);
  if (each >= WORTH_A_WARNING) return undefined;
  const enough = MAX_CONNECTIONS * listeners + RESERVED_FILES;
  return `only ${each} connections are taken at once on each HTTP port: the limit of open files is ${openFiles}. ${enough} allow ${MAX_CONNECTIONS}: raise LimitNOFILE= of the service, or "ulimit -Hn"`;
}
