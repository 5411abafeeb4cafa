/**
 * Work that is done again and again: soon while there is more of it, at a slower pace when there is none. A run
 * that fails is reported and tried again at the slow pace; runs never overlap.
 */
export interface PeriodicOptions {
  readonly everyMs: number;
  /** True when more work is waiting: then it runs again at once. */
  readonly run: () => Promise<boolean>;
  readonly onError: (error: unknown) => void;
}

export class Periodic {
  readonly #options: PeriodicOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = true;

  constructor(options: PeriodicOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#schedule(0);
  }

  /** Resolves when the run under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#once();
    }, delayMs);
  }

  async #once(): Promise<void> {
    let more = false;
    try {
      more = await this.#options.run();
    } catch (error) {
      this.#options.onError(error);
    }
    this.#schedule(more ? 0 : this.#options.everyMs);
  }
}
