/** The figures of a run as they are printed and judged, and the command that makes the same run again. */
import { MUST_BE_ZERO } from './comparison.ts';
import type { SeedResult } from './run-seed.ts';
import type { Schedule } from './schedule.ts';

/** As they are printed with --json, in this order. */
export interface Figures {
  readonly seed: number;
  readonly faults: number;
  readonly accepted: number;
  readonly unanswered: number;
  readonly lost: number;
  readonly deliveredTwice: number;
  readonly deliveredTwiceBound: number;
  readonly unexpected: number;
  readonly chargedTwice: number;
  readonly refundMissing: number;
  readonly withoutFinalState: number;
  readonly callbacksMissing: number;
  readonly balanceDifference: number;
  readonly slowestRecoveryMs: number | null;
}

export function figuresOf(
  { seed }: Pick<Schedule, 'seed'>,
  result: Pick<SeedResult, 'comparison' | 'faults' | 'deliveredTwiceBound' | 'recoveries'>,
): Figures {
  const { comparison, faults, deliveredTwiceBound, recoveries } = result;
  const slowest = recoveries[0]?.durationMs ?? 0;
  return {
    seed,
    faults,
    accepted: comparison.accepted,
    unanswered: comparison.unanswered,
    lost: comparison.lost,
    deliveredTwice: comparison.deliveredTwice,
    deliveredTwiceBound,
    unexpected: comparison.unexpected,
    chargedTwice: comparison.chargedTwice,
    refundMissing: comparison.refundMissing,
    withoutFinalState: comparison.withoutFinalState,
    callbacksMissing: comparison.callbacksMissing,
    balanceDifference: comparison.balanceDifference,
    slowestRecoveryMs: Number.isFinite(slowest) ? slowest : null,
  };
}

/** Of what was to be asked: the least that any seed had accepted was 0.65. A run that asked nothing shows nothing. */
const LEAST_ACCEPTED = 0.25;

/** @param asked requests that were to be made */
export function passes(figures: Figures, result: Pick<SeedResult, 'unexpectedEnds'>, asked: number): boolean {
  return (
    figures.faults > 0 &&
    figures.accepted >= LEAST_ACCEPTED * asked &&
    MUST_BE_ZERO.every((name) => figures[name] === 0) &&
    figures.deliveredTwice <= figures.deliveredTwiceBound &&
    figures.slowestRecoveryMs !== null &&
    result.unexpectedEnds.length === 0
  );
}

/** With everything that the faults and the load follow from. */
export function commandOf({ seed, seconds, rate }: { seed: number; seconds: number; rate: number }): string {
  return `npm run test:faults -- --seed ${seed} --seconds ${seconds} --rate ${rate}`;
}
