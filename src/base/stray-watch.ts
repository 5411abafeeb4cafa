/**
 * When a stage has to ask the database for rows that are claimed in its name and that it does not know of: after a
 * statement whose outcome was lost, at once and once more. Never while somebody else's statement may be claiming for the
 * stage, since what is claimed and not handed over yet would look like a stray.
 */

/** After a lost statement, how long the database may take to let go of it. */
const AGAIN_AFTER_MS = 30_000;

export class StrayWatch {
  readonly #againAfterMs: number;
  #lookAtMs: number[] = [];
  #handOvers = 0;
  #ended: (() => void)[] = [];

  constructor(againAfterMs = AGAIN_AFTER_MS) {
    this.#againAfterMs = againAfterMs;
  }

  /** A statement that claims for the stage is about to start; false: it must not. Each true is followed by one `handedOver`. */
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
