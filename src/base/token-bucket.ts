/**
 * A rate in units per second with a small burst. Time that was not used is not saved up beyond the burst. A caller
 * may take more than there is (a long message is not cut in two); the debt is then worked off first.
 */
const BURST_MS = 100;

export class TokenBucket {
  #perSecond: number;
  #tokens: number;
  #filledAtMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#tokens = this.#burst();
    this.#filledAtMs = nowMs;
  }

  /** From now on; what was earned until now was earned at the old rate. */
  setRate(perSecond: number, nowMs: number): void {
    if (perSecond === this.#perSecond) return;
    this.#earn(nowMs);
    this.#perSecond = perSecond;
    this.#tokens = Math.min(this.#tokens, this.#burst());
  }

  /** Whole units that may be taken now; `nowMs` is monotonic. */
  available(nowMs: number): number {
    this.#earn(nowMs);
    return Math.max(0, Math.floor(this.#tokens));
  }

  take(units: number): void {
    this.#tokens -= units;
  }

  #earn(nowMs: number): void {
    const earned = ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond;
    this.#filledAtMs = nowMs;
    this.#tokens = Math.min(this.#tokens + earned, this.#burst());
  }

  #burst(): number {
    return Math.max(1, (this.#perSecond * BURST_MS) / 1000);
  }
}
