/**
 * Remembers an expensive answer that may be some seconds old. Finding it takes at most a hundredth of the time: after
 * it took t, it is answered from memory for 100 t, and for five seconds at least. A failure is remembered the same way.
 */
const LEAST_REST_MS = 5_000;
const REST_FOR_EACH_MS = 100;

export class Remembered<Answer> {
  readonly #ask: () => Promise<Answer>;
  readonly #now: () => number;
  #answer: Promise<Answer> | undefined;
  #askAgainAtMs = Number.NEGATIVE_INFINITY;

  /** @param now monotonic milliseconds */
  constructor(ask: () => Promise<Answer>, now: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#now = now;
  }

  get(): Promise<Answer> {
    if (this.#answer === undefined || this.#now() >= this.#askAgainAtMs) this.#answer = this.#askAnew();
    return this.#answer;
  }

  async #askAnew(): Promise<Answer> {
    const startedMs = this.#now();
    this.#askAgainAtMs = Number.POSITIVE_INFINITY;
    try {
      return await this.#ask();
    } finally {
      const tookMs = this.#now() - startedMs;
      this.#askAgainAtMs = this.#now() + Math.max(LEAST_REST_MS, REST_FOR_EACH_MS * tookMs);
    }
  }
}
