/** Processor time and memory of other processes, from /proc; zero where there is no /proc. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const KIB_PER_MIB = 1_024;
/** proc_pid_stat(5), counted from the field after the command's closing parenthesis. */
const PARENT_FIELD = 1;
const USER_TICKS_FIELD = 11;
const CHILDREN_SYSTEM_TICKS_FIELD = 14;

function readStat(processId: number | string): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** Of the process and of its children that have ended. */
function ownSeconds(fields: readonly string[]): number {
  const ticks = fields.slice(USER_TICKS_FIELD, CHILDREN_SYSTEM_TICKS_FIELD + 1);
  return ticks.reduce((sum, count) => sum + Number(count), 0) / TICKS_PER_SECOND;
}

/** Processor seconds of the process and all its children so far. */
export function processorSeconds(processId: number, options: { children: boolean }): number {
  let seconds = ownSeconds(readStat(processId));
  if (!options.children) return seconds;
  for (const name of listProcesses()) {
    const fields = readStat(name);
    if (fields[PARENT_FIELD] === String(processId)) seconds += ownSeconds(fields);
  }
  return seconds;
}

function listProcesses(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** USER_HZ ticks of all processors, and those of them that the machine's neighbours took; of proc_stat(5). */
export interface MachineTicks {
  readonly all: number;
  readonly stolen: number;
}

const STOLEN_FIELD = 7;
/** Beyond them come ticks of guests, which are counted among the user's. */
const TICK_FIELDS = 8;

export function machineTicks(): MachineTicks {
  try {
    const line = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1] ?? '';
    const fields = line.split(' ').slice(0, TICK_FIELDS).map(Number);
    return { all: fields.reduce((sum, ticks) => sum + ticks, 0), stolen: fields[STOLEN_FIELD] ?? 0 };
  } catch {
    return { all: 0, stolen: 0 };
  }
}

/** Share of the processors' time, 0 to 1, that was taken by others than this machine. */
export function stolenShare(start: MachineTicks, end: MachineTicks): number {
  return Number(((end.stolen - start.stolen) / Math.max(1, end.all - start.all)).toFixed(3));
}

/** Forgets the peak so far, so that `peakResidentMiB` tells that of what follows. Nothing happens where it can't. */
export function forgetPeak(processId: number): void {
  try {
    writeFileSync(`/proc/${processId}/clear_refs`, '5');
  } catch {
    // The peak stays that of the whole life.
  }
}

/** The most memory that the process had resident, ever or since `forgetPeak`. */
export function peakResidentMiB(processId: number): number {
  return memoryMiB(processId, /^VmHWM:\s+(\d+) kB$/m);
}

/** The memory that the process has resident now. */
export function residentMiB(processId: number): number {
  return memoryMiB(processId, /^VmRSS:\s+(\d+) kB$/m);
}

function memoryMiB(processId: number, line: RegExp): number {
  try {
    const kib = line.exec(readFileSync(`/proc/${processId}/status`, 'latin1'))?.[1];
    return Math.round(Number(kib ?? 0) / KIB_PER_MIB);
  } catch {
    return 0;
  }
}
