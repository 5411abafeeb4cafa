/** What can be set on a running simulated operator, and the refusals that come from it alone. */
import { STATUS } from '../smpp/pdu.ts';

export interface Tuning {
  /** From the submit's arrival to its response. */
  latencyMs: number;
  /** From the response to the receipt. */
  receiptDelayMs: number;
  /** Submits a second beyond which ESME_RTHROTTLED is answered; 0 is no limit. */
  throttlePerSecond: number;
  /** Share of submits, 0 to 1, refused with ESME_RSYSERR, evenly spread. */
  errorRate: number;
}

export const DEFAULT_TUNING: Tuning = { latencyMs: 0, receiptDelayMs: 0, throttlePerSecond: 0, errorRate: 0 };

/** Throws a RangeError for a value that makes no sense. */
export function checkTuning(tuning: Tuning): Tuning {
  for (const [name, value] of Object.entries(tuning)) {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) throw new RangeError(`${name} must not be negative`);
  }
  if (tuning.errorRate > 1) throw new RangeError('errorRate is a share from 0 to 1');
  return tuning;
}

/** A bucket of one second's submits, and an even share of errors. */
export class Pressure {
  #tokens = Number.POSITIVE_INFINITY;
  #filledAtMs = 0;
  #errorShare = 0;

  /** The status to refuse this submit with, if it is to be refused. */
  refusal(tuning: Tuning, nowMs: number): number | undefined {
    if (this.#isThrottled(tuning.throttlePerSecond, nowMs)) return STATUS.ESME_RTHROTTLED;
    this.#errorShare += tuning.errorRate;
    // 0.1 ten times is a little less than 1.
    if (this.#errorShare < 1 - 1e-9) return undefined;
    this.#errorShare = Math.max(0, this.#errorShare - 1);
    return STATUS.ESME_RSYSERR;
  }

  #isThrottled(perSecond: number, nowMs: number): boolean {
    if (perSecond === 0) {
      this.#tokens = Number.POSITIVE_INFINITY;
      return false;
    }
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#filledAtMs = nowMs;
    // A whole submit at least, or a rate below one a second would let nothing pass.
    this.#tokens = Math.min(Math.max(perSecond, 1), this.#tokens + (elapsedMs * perSecond) / 1_000);
    if (this.#tokens < 1) return true;
    this.#tokens -= 1;
    return false;
  }
}
