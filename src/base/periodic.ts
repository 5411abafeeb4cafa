/**
 * Runs work again and again: at once while there is more of it, at a slower pace otherwise. A run that fails is tried
 * again after a second or more. While failures last, one is reported every ten seconds, since all work fails at once
 * when the database is away. Runs never overlap.
 */
const RETRY_AFTER_MS = 1_000;
const REPORT_EVERY_MS = 10_000;

export interface PeriodicOptions {
  readonly everyMs: number;
  /** True when more work is waiting: then it runs again at once. */
  readonly run: () => Promise<boolean>;
  readonly onError: (error: unknown) => void;
  /** False: waiting for the next run does not keep the process alive. */
  readonly keepsAlive?: boolean;
}

export class Periodic {
  readonly #options: PeriodicOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = true;
  #dueAtMs = 0;
  /** Asked for during the run under way. */
  #wantedAtMs: number | undefined;
  #isRunning = false;
  #hasFailed = false;
  #quietUntilMs = 0;

  constructor(options: PeriodicOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#schedule(0);
  }

  /** Asks for a run to begin within this time from now. After a failure this makes it come no sooner. */
  soon(withinMs: number): void {
    const wantedAtMs = performance.now() + withinMs;
    if (this.#isRunning) this.#wantedAtMs ??= wantedAtMs;
    else if (!this.#hasFailed && wantedAtMs < this.#dueAtMs) this.#schedule(withinMs);
  }

  /** Resolves when the run under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#dueAtMs = performance.now() + delayMs;
    this.#timer = setTimeout(() => {
      this.#running = this.#once();
    }, delayMs);
    if (this.#options.keepsAlive === false) this.#timer.unref();
  }

  async #once(): Promise<void> {
    const { everyMs } = this.#options;
    this.#isRunning = true;
    this.#wantedAtMs = undefined;
    try {
      const more = await this.#options.run();
      this.#hasFailed = false;
      this.#schedule(more ? 0 : this.#pauseMs(everyMs));
    } catch (error) {
      this.#hasFailed = true;
      this.#report(error);
      this.#schedule(Math.max(everyMs, RETRY_AFTER_MS));
    }
    this.#isRunning = false;
  }

  #pauseMs(everyMs: number): number {
    if (this.#wantedAtMs === undefined) return everyMs;
    return Math.min(everyMs, Math.max(0, this.#wantedAtMs - performance.now()));
  }

  #report(error: unknown): void {
    if (performance.now() < this.#quietUntilMs) return;
    this.#quietUntilMs = performance.now() + REPORT_EVERY_MS;
    this.#options.onError(error);
  }
}
