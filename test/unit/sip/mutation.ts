/** Damaged SIP: real messages with bytes flipped, cut, doubled and mixed, the same ones for the same seed. */

const SPICE = [
  '\r\n',
  '\r\n\r\n',
  '<',
  '>',
  '"',
  '\\',
  ',',
  ';',
  ':',
  '@',
  '=',
  '%',
  '[',
  ']',
  '\0',
  ' ',
  '999999999',
  'é',
];

/** mulberry32. */
export function randomOf(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

const MAX_CHANGES = 6;

export function mutated(random: (bound: number) => number, seeds: readonly Buffer[]): Buffer {
  let bytes = Buffer.from(seeds[random(seeds.length)] ?? Buffer.alloc(1));
  for (let changes = random(MAX_CHANGES) + 1; changes > 0 && bytes.length > 1; changes -= 1) {
    const at = random(bytes.length);
    const until = at + random(Math.min(80, bytes.length - at)) + 1;
    switch (random(6)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(until)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, until), bytes.subarray(at)]);
        break;
      case 3:
        bytes = bytes.subarray(0, at + 1);
        break;
      case 4: {
        const other = seeds[random(seeds.length)] ?? bytes;
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(random(other.length))]);
        break;
      }
      default:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(SPICE[random(SPICE.length)] ?? ''),
          bytes.subarray(at),
        ]);
    }
  }
  return bytes;
}
