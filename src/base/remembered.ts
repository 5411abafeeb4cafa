/**
 * An answer that costs much to have and may be some seconds old. Whoever asks for it takes no more than one part in a
 * hundred of the time: after a question that took so long, a hundred times that long is answered from memory, and five
 * seconds at least. So is a failure.
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
