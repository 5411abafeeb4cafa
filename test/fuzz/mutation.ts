/**
 * Damaged copies of good inputs. The n-th input of a seed is always the same, so that a failing one can be made again
 * from two numbers.
 */

export type Below = (bound: number) => number;

/** mulberry32; `random(n)` is a whole number from 0 to n - 1. */
export function randomFrom(seed: number): Below {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** A generator of its own for the n-th input. */
export function randomOfInput(seed: number, n: number): Below {
  return randomFrom(Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(n + 1, 0xc2b2ae35));
}

export interface Seeds {
  readonly inputs: readonly Buffer[];
  /** Pieces that mean something to whoever reads the input. */
  readonly spice: readonly Buffer[];
}

const MAX_CHANGES = 6;
const MAX_SPAN_BYTES = 80;
const MAX_REPEATS = 300;
/** What repetition may make of an input. */
const MAX_INPUT_BYTES = 16_384;

export function mutant({ inputs, spice }: Seeds, random: Below): Buffer {
  let bytes: Buffer = Buffer.from(inputs[random(inputs.length)] ?? []);
  for (let changes = 1 + random(MAX_CHANGES); changes > 0; changes -= 1) {
    bytes = changed(bytes, { inputs, spice }, random);
  }
  return bytes.length > MAX_INPUT_BYTES ? bytes.subarray(0, MAX_INPUT_BYTES) : bytes;
}

function changed(bytes: Buffer, { inputs, spice }: Seeds, random: Below): Buffer {
  if (bytes.length === 0) return Buffer.of(random(256));
  const at = random(bytes.length);
  const until = Math.min(bytes.length, at + 1 + random(MAX_SPAN_BYTES));
  const before = bytes.subarray(0, at);
  switch (random(9)) {
    case 0:
      bytes[at] = random(256);
      return bytes;
    case 1:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
      return bytes;
    case 2:
      return bytes.fill(random(2) * 0xff, at, until);
    case 3:
      return bytes.subarray(0, at);
    case 4:
      return Buffer.concat([before, bytes.subarray(until)]);
    case 5:
      return Buffer.concat([bytes.subarray(0, until), bytes.subarray(at)]);
    case 6:
      return Buffer.concat([before, tailOf(inputs[random(inputs.length)] ?? bytes, random)]);
    case 7:
      return Buffer.concat([before, spice[random(spice.length)] ?? Buffer.of(0), bytes.subarray(at)]);
    default:
      return Buffer.concat([before, ...repeated(bytes.subarray(at, until), random), bytes.subarray(until)]);
  }
}

function tailOf(bytes: Buffer, random: Below): Buffer {
  return bytes.subarray(random(Math.max(1, bytes.length)));
}

function repeated(piece: Buffer, random: Below): Buffer[] {
  return Array.from({ length: random(MAX_REPEATS) }, () => piece);
}
