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
  /** What was whole last. */
  readonly waitedFor: 'node-1' | 'node-2' | 'handsets';
  /** Earlier faults into whose recovery this one fell: it answers for theirs as well, a node's new start for instance. */
  readonly with: readonly string[];
}

interface Whole extends Pick<Recovery, 'waitedFor'> {
  readonly fault: InjectedFault;
  readonly atMs: number;
}

/** Of every fault that was not overtaken by another one, slowest first. */
export function recoveries(
  faults: readonly InjectedFault[],
  requests: readonly LoggedRequest[],
  arrivals: readonly HandsetArrival[],
): Recovery[] {
  const accepted = requests.filter((one) => one.planned.kind === 'message' && one.outcome?.kind === 'accepted');
  const wholes = faults.map((fault) => wholeAfter(fault, accepted, arrivals));
  return wholes
    .filter((whole) => !wholes.some(({ fault }) => overtakes(fault, whole)))
    .map(({ fault, atMs, waitedFor }) => ({
      description: fault.description,
      durationMs: atMs - fault.healedAtMs,
      waitedFor,
      with: wholes.filter((earlier) => overtakes(fault, earlier)).map((earlier) => earlier.fault.description),
    }))
    .sort((left, right) => right.durationMs - left.durationMs);
}

/** How it is told to people. */
export function describeRecovery({ description, durationMs, waitedFor, with: others }: Recovery): string {
  const more = others.length === 0 ? '' : `; with ${others.join('; ')}`;
  return `${durationMs} ms (${description}; ${waitedFor} last${more})`;
}

function wholeAfter(
  fault: InjectedFault,
  accepted: readonly LoggedRequest[],
  arrivals: readonly HandsetArrival[],
): Whole {
  const since = accepted.filter((one) => one.sentAtMs >= fault.healedAtMs);
  const answeredBy = (node: number): number =>
    earliest(since.filter((one) => one.node === node).map((one) => one.endedAtMs));
  const parts = [
    { waitedFor: 'node-1', atMs: answeredBy(0) },
    { waitedFor: 'node-2', atMs: answeredBy(1) },
    {
      waitedFor: 'handsets',
      atMs: earliest(arrivals.map((one) => one.atMs).filter((atMs) => atMs >= fault.healedAtMs)),
    },
  ] as const;
  return { fault, ...parts.reduce((last, part) => (part.atMs > last.atMs ? part : last)) };
}

function overtakes(later: InjectedFault, { fault, atMs }: Whole): boolean {
  return later !== fault && later.startedAtMs < atMs && later.healedAtMs > fault.healedAtMs;
}

function earliest(times: readonly number[]): number {
  return times.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY);
}
