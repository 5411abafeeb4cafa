/** Damaged copies of good bytes: octets changed, cut off, doubled, joined; the same ones for the same seed. */

/** A generator of numbers below `bound`, by xorshift (Marsaglia 2003). */
export function seededNumbers(seed: number): (bound: number) => number {
  let state = seed | 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

export function* mutated(samples: readonly Buffer[], count: number, seed: number): Generator<Buffer> {
  const below = seededNumbers(seed);
  for (let made = 0; made < count; made += 1) {
    let bytes: Buffer = Buffer.from(samples[below(samples.length)] ?? []);
    for (let rounds = below(4); rounds >= 0; rounds -= 1) bytes = damaged(bytes, samples, below);
    yield bytes;
  }
}

function damaged(bytes: Buffer, samples: readonly Buffer[], below: (bound: number) => number): Buffer {
  if (bytes.length === 0) return Buffer.of(below(256));
  const at = below(bytes.length);
  switch (below(6)) {
    case 0:
      bytes[at] = below(256);
      return bytes;
    case 1:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
      return bytes;
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return bytes.subarray(at);
    case 4:
      bytes.fill(below(2) * 0xff, at, Math.min(bytes.length, at + 1 + below(4)));
      return bytes;
    default:
      return Buffer.concat([bytes.subarray(0, at), samples[below(samples.length)] ?? bytes]);
  }
}
