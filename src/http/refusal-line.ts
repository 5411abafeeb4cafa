/**
 * Delays refusals to guessers: each waits for a pause, then they leave one after the other. So new guesses come no
 * faster than this line moves, over however many connections. A client that gets in never waits here.
 */
import type { Socket } from 'node:net';

const PAUSE_MS = 2_000;
/** 500 refusals a second, and with them the guesses that follow, take a few hundredths of one processor. */
const SPACING_MS = 2;
/**
 * The last one waits 20 s, less than the time-out that clients are told to use. Beyond it refusals are answered at
 * once.
 */
const MAX_WAITING = 10_000;

export class RefusalLine {
  readonly #pauseMs: number;
  readonly #connections = new WeakSet<Socket>();
  #waiting = 0;
  /** When the last refusal in the line may leave, on the monotonic clock. */
  #lastGoesAtMs = 0;

  constructor(pauseMs: number = PAUSE_MS) {
    this.#pauseMs = pauseMs;
  }

  /**
   * Resolves when the refusal may be answered. A connection waits here once: if it sends another guess while its
   * refusal waits (which HTTP allows), it is closed, or it could guess as fast as it can send.
   */
  async wait(connection: Socket): Promise<void> {
    if (this.#connections.has(connection)) {
      connection.destroy();
      return;
    }
    if (this.#waiting >= MAX_WAITING) return;
    const nowMs = performance.now();
    this.#lastGoesAtMs = Math.max(nowMs + this.#pauseMs, this.#lastGoesAtMs + SPACING_MS);
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, this.#lastGoesAtMs - nowMs).unref();
    this.#waiting++;
    this.#connections.add(connection);
    await promise;
    this.#connections.delete(connection);
    this.#waiting--;
  }
}
