/** What makes a run of the fuzzing a failed one. */
import type { TargetReport } from './run.ts';

/** Compiled code and pools come late now and then; what leaks with the inputs is more than this in a long run. */
const MOST_GROWTH_MIB = 8;
/** A run in which nothing, or everything, is refused shows nothing. */
const LEAST_SHARE = 0.01;

/** What inputs did. */
export function harmIn({ name, faults }: TargetReport): string[] {
  return faults.map((fault) => `${name}: ${fault}`);
}

export function faultsOf(report: TargetReport): string[] {
  const { name, inputs, good, broken, heapMiB } = report;
  const found = harmIn(report);
  const grown = heapMiB[1] - heapMiB[0];
  if (grown > MOST_GROWTH_MIB) found.push(`${name}: the heap grew by ${grown.toFixed(1)} MiB`);
  const least = inputs * LEAST_SHARE;
  if (good < least || broken < least) found.push(`${name}: ${good} good and ${broken} broken of ${inputs} inputs`);
  return found;
}
