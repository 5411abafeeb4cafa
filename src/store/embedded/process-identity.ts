/**
 * Tells whether a process that was noted earlier is still running. Its id alone can't tell: ids are reused, and a
 * killed process that its parent has not waited for stays as a zombie, which still answers signal 0.
 */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  processId: number;
  /** Boot and start time of the process; empty where there is no /proc to read them from. */
  startedAt: string;
}

/**
 * State and start time are fields 3 and 22 of /proc/PID/stat (proc_pid_stat(5)); counted here after the name, which may
 * hold blanks.
 */
const STATE_AFTER_NAME = 0;
const START_TICKS_AFTER_NAME = 19;
/** How the system says that there is no such file, no such process any more, or no /proc to look into. */
const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES', 'EPERM']);

/**
 * The identity of a running process; undefined when there is none of this id, or only its zombie. Throws when it
 * cannot be found out, for want of file descriptors for instance: a living server must not be taken for a dead one.
 */
export function identifyProcess(processId: number): ProcessIdentity | undefined {
  if (!Number.isSafeInteger(processId) || processId <= 0) return undefined;
  const bootId = readIfThere('/proc/sys/kernel/random/boot_id');
  if (bootId === undefined) return answersSignals(processId) ? { processId, startedAt: '' } : undefined;
  const stat = readIfThere(`/proc/${processId}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[STATE_AFTER_NAME];
  if (state === 'Z' || state === 'X') return undefined;
  return { processId, startedAt: `${bootId.trim()}/${fields[START_TICKS_AFTER_NAME]}` };
}

/** Whether the very process that `identity` describes still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.processId)?.startedAt === identity.startedAt;
}

/**
 * Undefined only if the file does not exist. If it can't be opened for another reason, nobody knows whether the process
 * runs, so the error is thrown.
 */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (error instanceof Error && 'code' in error && ABSENT.has(String(error.code))) return undefined;
    throw error;
  }
}

function answersSignals(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
