/**
 * When something happened to each recipient of a run, on the one clock that all processes of a machine share
 * (CLOCK_MONOTONIC), so that instants noted by different processes can be subtracted from each other.
 */

/** Every recipient of a run has a number of its own: the last eight digits of its mobile, counted from here. */
const FIRST_MOBILE = 10_000_000;
const MOBILE_DIGITS = 8;
/** Recipients whose instants are kept; those of a flood are numbered from here and are only counted. */
export const NOT_KEPT_FROM = 4_000_000;
/** Numbers there are: what the mobiles leave above those that a simulator treats in a special way. */
export const RECIPIENTS = 89_000_000;
const FIRST_PLACES = 65_536;

/** Milliseconds on the machine's monotonic clock. */
export function machineNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The eight digits that follow `09`, or `8869`, in the mobile of recipient `number`. */
export function mobileDigits(number: number): string {
  return String(FIRST_MOBILE + (number % RECIPIENTS));
}

/** The recipient's number, of a mobile in any form. */
export function recipientOf(mobile: string): number {
  return Number(mobile.slice(-MOBILE_DIGITS)) - FIRST_MOBILE;
}

export class Instants {
  #values: Float64Array;

  /** @param values what `values` of another one gave, perhaps in another process */
  constructor(values: Float64Array = new Float64Array(FIRST_PLACES)) {
    this.#values = values;
  }

  /** 0 where nothing happened. */
  get values(): Float64Array {
    return this.#values;
  }

  /** False when it was noted before: the first time counts. */
  note(number: number, atMs: number): boolean {
    if (!(number >= 0 && number < NOT_KEPT_FROM)) return true;
    while (number >= this.#values.length) this.#grow();
    if (this.#values[number] !== 0) return false;
    this.#values[number] = atMs;
    return true;
  }

  /** Undefined when nothing happened to this recipient. */
  of(number: number): number | undefined {
    return this.#values[number] || undefined;
  }

  #grow(): void {
    const larger = new Float64Array(this.#values.length * 2);
    larger.set(this.#values);
    this.#values = larger;
  }
}

export interface Spread {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** How long it took from one instant to another for those of `numbers` for which both are known. */
export function spreadBetween(from: Instants, to: Instants, numbers: Iterable<number>): Spread {
  const durations: number[] = [];
  for (const number of numbers) {
    const start = from.of(number);
    const end = to.of(number);
    if (start !== undefined && end !== undefined) durations.push(end - start);
  }
  return spreadOf(durations);
}

/** Sorts them in place. */
export function spreadOf(durations: number[]): Spread {
  durations.sort((a, b) => a - b);
  const at = (share: number): number => {
    const place = Math.max(0, Math.ceil(share * durations.length) - 1);
    return Number((durations[place] ?? 0).toFixed(2));
  };
  return { count: durations.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
