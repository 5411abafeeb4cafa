/** Durations counted in classes of 20 µs, so that a million of them cost nothing to keep and two runs can be added. */
const CLASS_MS = 0.02;
/** Up to 2 s; what took longer counts as that. */
const CLASSES = 100_000;

export class Latencies {
  readonly #counts: Uint32Array;

  /** @param counts what `counts` of another one gave, perhaps in another process */
  constructor(counts: Uint32Array = new Uint32Array(CLASSES)) {
    this.#counts = counts;
  }

  get counts(): Uint32Array {
    return this.#counts;
  }

  add(durationMs: number): void {
    const place = Math.min(CLASSES - 1, Math.floor(durationMs / CLASS_MS));
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
  }

  addAll(other: Latencies): void {
    for (let place = 0; place < CLASSES; place++) {
      this.#counts[place] = (this.#counts[place] ?? 0) + (other.#counts[place] ?? 0);
    }
  }

  /** @param share 0.99 for the duration that 99 of 100 did not exceed; 0 when there are none */
  quantileMs(share: number): number {
    let left = share * this.#counts.reduce((sum, count) => sum + count, 0);
    if (left === 0) return 0;
    for (let place = 0; place < CLASSES; place++) {
      left -= this.#counts[place] ?? 0;
      if (left <= 0) return (place + 1) * CLASS_MS;
    }
    return CLASSES * CLASS_MS;
  }
}
