/**
 * How evenly packets leave: counts the times between consecutive packets of a stream. The sending thread counts and the
 * main thread reads, in shared memory without locks; a count that is read a moment too early is there the next time.
 */
const CLASS_MS = 0.1;
/** Up to 200 ms; what took longer counts as that. */
const CLASSES = 2_000;

export interface SpacingQuantile {
  readonly quantile: number;
  readonly ms: number;
}

export class PacketSpacing {
  /** For the other thread. */
  readonly memory: SharedArrayBuffer;
  readonly #counts: Uint32Array;
  readonly #told = new Uint32Array(CLASSES);

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(CLASSES * Uint32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#counts = new Uint32Array(memory);
  }

  add(ms: number): void {
    const place = Math.min(CLASSES - 1, Math.max(0, Math.floor(ms / CLASS_MS)));
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
  }

  /** Quantiles, as upper bounds, of what was counted since the last call; empty when nothing was. */
  take(quantiles: readonly number[]): SpacingQuantile[] {
    const recent = this.#counts.map((count, place) => (count - (this.#told[place] ?? 0)) >>> 0);
    let all = 0;
    for (const [place, count] of recent.entries()) {
      all += count;
      this.#told[place] = ((this.#told[place] ?? 0) + count) >>> 0;
    }
    return all === 0 ? [] : quantiles.map((quantile) => ({ quantile, ms: boundOf(recent, quantile * all) }));
  }
}

function boundOf(counts: Uint32Array, wanted: number): number {
  let left = wanted;
  for (const [place, count] of counts.entries()) {
    left -= count;
    if (left <= 0 && count > 0) return (place + 1) * CLASS_MS;
  }
  return CLASSES * CLASS_MS;
}
