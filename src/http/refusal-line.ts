/**
 * Refusals to guessers wait here: each for a pause, and one after the other, so that over however many connections
 * somebody guesses, the next guesses come no faster than the line moves. Nobody who gets in ever stands in it.
 */
import type { Socket } from 'node:net';

const PAUSE_MS = 2_000;
/** 500 refusals a second, and with them the guesses that follow, take a few hundredths of one processor. */
const SPACING_MS = 2;
/** The last one waits 20 s, which is less than clients are told to wait. What finds no room is refused at once. */
const MAX_WAITING = 10_000;

export class RefusalLine {
  readonly #pauseMs: number;
  readonly #connections = new WeakSet<Socket>();
  #waiting = 0;
  /** When the last in the line may go, on the monotonic clock. */
  #lastGoesAtMs = 0;

  constructor(pauseMs: number = PAUSE_MS) {
    this.#pauseMs = pauseMs;
  }

  /**
   * Resolves when the refusal may be answered. A connection stands in the line once: one that guesses on while its
   * refusal waits (HTTP allows it, no client of ours does it) is closed, or it would guess as fast as it can send.
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
