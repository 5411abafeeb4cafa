/**
 * Band-limited conversion of any sampling rate to the telephone's 8,000 Hz: a Kaiser-windowed sinc, flat to 3,400 Hz
 * and at least 60 dB down from 4,000 Hz on, evaluated only at the output's instants. Nothing is delayed or clipped.
 */
const OUTPUT_HZ = 8000;
export const MIN_INPUT_HZ = 4000;
export const MAX_INPUT_HZ = 192_000;

const PASS_SHARE = 0.85;
const STOP_BAND_DB = 60;
/** Instants between two input samples that have a filter of their own; ratios with more share the nearest one. */
const MAX_PHASES = 1024;

export class Resampler {
  readonly #fromHz: number;
  readonly #numerator: number;
  readonly #denominator: number;
  readonly #phases: number;
  readonly #halfTaps: number;
  readonly #cutoff: number;
  readonly #filters: (Float32Array | undefined)[];

  /** @throws RangeError when `fromHz` is not a whole number from 4,000 to 192,000 */
  constructor(fromHz: number) {
    if (!Number.isInteger(fromHz) || fromHz < MIN_INPUT_HZ || fromHz > MAX_INPUT_HZ) {
      throw new RangeError(`cannot convert from ${fromHz} Hz`);
    }
    const divisor = greatestCommonDivisor(fromHz, OUTPUT_HZ);
    this.#fromHz = fromHz;
    this.#numerator = fromHz / divisor;
    this.#denominator = OUTPUT_HZ / divisor;
    this.#phases = Math.min(this.#denominator, MAX_PHASES);
    const nyquistHz = Math.min(fromHz, OUTPUT_HZ) / 2;
    const transition = ((1 - PASS_SHARE) * nyquistHz) / fromHz;
    this.#cutoff = ((1 + PASS_SHARE) / 2) * (nyquistHz / fromHz);
    // Kaiser's estimate of the length: (A - 7.95) / (14.36 Δf).
    this.#halfTaps = Math.ceil((STOP_BAND_DB - 7.95) / (14.36 * transition) / 2);
    this.#filters = Array.from({ length: this.#phases });
  }

  outputLength(inputLength: number): number {
    return Math.ceil((inputLength * this.#denominator) / this.#numerator);
  }

  /** Output samples `from` to `from + count`, in the input's scale and so perhaps a little beyond 16 bits. */
  convert(input: Int16Array, from: number, count: number): Float32Array {
    const output = new Float32Array(count);
    if (this.#fromHz === OUTPUT_HZ) {
      for (let index = 0; index < count; index++) output[index] = input[from + index] ?? 0;
      return output;
    }
    for (let index = 0; index < count; index++) {
      const position = (from + index) * this.#numerator;
      const remainder = position % this.#denominator;
      const first = (position - remainder) / this.#denominator - this.#halfTaps + 1;
      const filter = this.#filterOf(Math.floor((remainder * this.#phases) / this.#denominator));
      const begin = Math.max(0, -first);
      const end = Math.min(filter.length, input.length - first);
      let sum = 0;
      for (let tap = begin; tap < end; tap++) sum += (filter[tap] ?? 0) * (input[first + tap] ?? 0);
      output[index] = sum;
    }
    return output;
  }

  #filterOf(phase: number): Float32Array {
    const known = this.#filters[phase];
    if (known !== undefined) return known;
    const made = this.#makeFilter(phase / this.#phases);
    this.#filters[phase] = made;
    return made;
  }

  /** The taps for an instant `fraction` after an input sample; their sum is 1. */
  #makeFilter(fraction: number): Float32Array {
    const half = this.#halfTaps;
    const taps = new Float64Array(2 * half);
    const beta = 0.1102 * (STOP_BAND_DB - 8.7);
    let sum = 0;
    for (let tap = 0; tap < taps.length; tap++) {
      const distance = tap - half + 1 - fraction;
      const window = bessel(beta * Math.sqrt(Math.max(0, 1 - (distance / half) ** 2))) / bessel(beta);
      const value = sinc(2 * this.#cutoff * distance) * window;
      taps[tap] = value;
      sum += value;
    }
    return Float32Array.from(taps, (value) => value / sum);
  }
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

const BESSEL_TERMS = 25;

/** The modified Bessel function I0, by its power series. */
function bessel(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; k <= BESSEL_TERMS; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
