/**
 * Decides when a stage has to look for strays: rows that are claimed in its name without its knowing. They can exist
 * after the outcome of a claiming statement was lost, so the stage looks at once and once more later. It never looks
 * while another statement may be claiming for it, since rows that are claimed and not yet handed over would look like
 * strays.
 */

/** How long the database may still be at work on a statement whose connection was lost. */
const AGAIN_AFTER_MS = 30_000;

export class StrayWatch {
  readonly #againAfterMs: number;
  #lookAtMs: number[] = [];
  #handOvers = 0;
  #ended: (() => void)[] = [];

  constructor(againAfterMs = AGAIN_AFTER_MS) {
    this.#againAfterMs = againAfterMs;
  }

  /**
   * Asks to start a statement that claims for the stage; false: it must not start. After true, call `handedOver` once.
   */
  beginHandOver(): boolean {
    if (this.#isTime()) return false;
    this.#handOvers += 1;
    return true;
  }

  handedOver(): void {
    this.#handOvers -= 1;
    if (this.#handOvers === 0) for (const resolve of this.#ended.splice(0)) resolve();
  }

  /** Resolves when no hand-over is under way. */
  async handOversEnd(): Promise<void> {
    if (this.#handOvers > 0) await new Promise<void>((resolve) => this.#ended.push(resolve));
  }

  /** The outcome of a statement that claims was lost. */
  statementLost(): void {
    this.#lookAtMs = [performance.now(), performance.now() + this.#againAfterMs];
  }

  /** Whether strays are to be looked for now; call `looked` when that is done. */
  isDue(): boolean {
    return this.#handOvers === 0 && this.#isTime();
  }

  looked(): void {
    this.#lookAtMs.shift();
  }

  #isTime(): boolean {
    const [next] = this.#lookAtMs;
    return next !== undefined && performance.now() >= next;
  }
}
