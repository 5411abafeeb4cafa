/**
 * How long to wait before trying again: exponential growth up to a bound, spread by jitter so that clients do not
 * return in step.
 */
export interface BackoffPolicy {
  /** Ceiling of the first pause. */
  baseMs: number;
  /** Ceiling of every pause. */
  maxMs: number;
  /** Share of the pause that is random: 1 (the default) is full jitter, 0 is none. */
  jitter?: number;
}

/**
 * The pause before attempt `attempt + 1`, in whole milliseconds.
 * @param attempt failed attempts so far, from 1; smaller values count as 1
 * @param random a source of numbers in [0, 1)
 */
export function backoffMs(attempt: number, policy: BackoffPolicy, random: () => number = Math.random): number {
  const doublings = Math.max(0, attempt - 1);
  const ceilingMs = Math.min(policy.maxMs, policy.baseMs * 2 ** doublings);
  const jitter = policy.jitter ?? 1;
  return Math.round(ceilingMs * (1 - jitter * random()));
}
