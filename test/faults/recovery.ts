/**
 * How long after a fault was over the platform was whole again: each node answers 00000 to what was asked since then,
 * and messages reach the handsets. Where another fault begins before that, the time is that one's to answer for.
 */
import type { HandsetArrival } from './handset-journal.ts';
import type { LoggedRequest } from './request-log.ts';

/** A fault as it really happened, by this machine's clock. */
export interface InjectedFault {
  readonly description: string;
  readonly startedAtMs: number;
  readonly healedAtMs: number;
}

export interface Recovery {
  readonly description: string;
  /** Infinity: never again. */
  readonly durationMs: number;
}

const NODES = [0, 1];

/** Of every fault that was not overtaken by another one, slowest first. */
export function recoveries(
  faults: readonly InjectedFault[],
  requests: readonly LoggedRequest[],
  arrivals: readonly HandsetArrival[],
): Recovery[] {
  const accepted = requests.filter((one) => one.planned.kind === 'message' && one.outcome?.kind === 'accepted');
  const found: Recovery[] = [];
  for (const fault of faults) {
    const since = accepted.filter((one) => one.sentAtMs >= fault.healedAtMs);
    const answered = NODES.map((node) =>
      earliest(since.filter((one) => one.node === node).map((one) => one.endedAtMs)),
    );
    const arrived = earliest(arrivals.map((one) => one.atMs).filter((atMs) => atMs >= fault.healedAtMs));
    const wholeAtMs = Math.max(...answered, arrived);
    const isOvertaken = faults.some(
      (other) => other !== fault && other.startedAtMs < wholeAtMs && other.healedAtMs > fault.healedAtMs,
    );
    if (!isOvertaken) found.push({ description: fault.description, durationMs: wholeAtMs - fault.healedAtMs });
  }
  return found.sort((left, right) => right.durationMs - left.durationMs);
}

function earliest(times: readonly number[]): number {
  return times.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY);
}
