/**
 * Token buckets by key, bounded in number: they limit how often a client may try what is expensive or reveals
 * something.
 */
import { RecentMap } from './recent-map.ts';

interface Bucket {
  tokens: number;
  /** On the monotonic clock. */
  filledAtMs: number;
}

export class GuessLimits {
  readonly #capacity: number;
  readonly #refillMs: number;
  readonly #buckets: RecentMap<Bucket>;

  /** @param options.refillMs the time in which one token comes back; @param options.maxKeys more push out the oldest */
  constructor(options: { capacity: number; refillMs: number; maxKeys: number }) {
    this.#capacity = options.capacity;
    this.#refillMs = options.refillMs;
    this.#buckets = new RecentMap(options.maxKeys);
  }

  mayTry(key: string, nowMs: number): boolean {
    const bucket = this.#filled(key, nowMs);
    return bucket === undefined || bucket.tokens >= 1;
  }

  /** False when nothing was left. */
  take(key: string, nowMs: number): boolean {
    let bucket = this.#filled(key, nowMs);
    if (bucket === undefined) {
      bucket = { tokens: this.#capacity, filledAtMs: nowMs };
      this.#buckets.set(key, bucket);
    }
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  giveBack(key: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined) bucket.tokens = Math.min(this.#capacity, bucket.tokens + 1);
  }

  #filled(key: string, nowMs: number): Bucket | undefined {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return undefined;
    const refilled = (nowMs - bucket.filledAtMs) / this.#refillMs;
    bucket.tokens = Math.min(this.#capacity, bucket.tokens + refilled);
    bucket.filledAtMs = nowMs;
    return bucket;
  }
}
