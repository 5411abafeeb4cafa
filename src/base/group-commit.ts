/**
 * Gathers items that arrive while a batch is under way into the next batch, so that one commit pays for many.
 * Batches run one after the other. What waits is bounded: beyond the bound an item is turned away at once.
 */
export interface GroupCommitOptions<Item, Result> {
  /** Items of one batch at the most. */
  readonly maxBatch: number;
  /** How long the first item of a batch waits for company. */
  readonly lingerMs: number;
  /** Items waiting at the most; further ones are turned away. */
  readonly maxWaiting: number;
  /** Carries out one batch and gives one result an item, in the items' order. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
}

type Settled<Result> = (error: unknown, result: Result | undefined) => void;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly settled: Settled<Result> | undefined;
}

export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #firstWaitedSinceMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #idle: (() => void)[] = [];

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** False when too much waits already; else `settled` is called once, with the item's result or the batch's error. */
  add(item: Item, settled?: Settled<Result>): boolean {
    if (this.#waiting.length >= this.#options.maxWaiting) return false;
    if (this.#waiting.length === 0) this.#firstWaitedSinceMs = performance.now();
    this.#waiting.push({ item, settled });
    this.#schedule();
    return true;
  }

  /** Like `add`, as a promise; undefined when too much waits. */
  submit(item: Item): Promise<Result> | undefined {
    let accepted = false;
    const promise = new Promise<Result>((resolve, reject) => {
      accepted = this.add(item, (error, result) => (error === undefined ? resolve(result as Result) : reject(error)));
    });
    return accepted ? promise : undefined;
  }

  /** Resolves once nothing waits and no batch is under way; what waits goes out without lingering. */
  async drain(): Promise<void> {
    while (this.#running || this.#waiting.length > 0) {
      const idle = new Promise<void>((resolve) => this.#idle.push(resolve));
      if (!this.#running) this.#flush();
      await idle;
    }
  }

  #schedule(): void {
    if (this.#running) return;
    if (this.#waiting.length >= this.#options.maxBatch) {
      this.#flush();
      return;
    }
    if (this.#timer) return;
    const waitedMs = performance.now() - this.#firstWaitedSinceMs;
    const lingerMs = this.#options.lingerMs - waitedMs;
    if (lingerMs <= 0 && this.#options.lingerMs > 0) {
      this.#flush();
      return;
    }
    this.#timer = setTimeout(() => this.#flush(), Math.max(0, lingerMs));
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#running || this.#waiting.length === 0) return;
    const batch = this.#waiting.splice(0, this.#options.maxBatch);
    this.#firstWaitedSinceMs = performance.now();
    this.#running = true;
    void this.#run(batch);
  }

  async #run(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    let failure: unknown;
    let results: readonly Result[] = [];
    try {
      results = await this.#options.run(batch.map((waiting) => waiting.item));
    } catch (error) {
      failure = error ?? new Error('a batch failed without a reason');
    }
    this.#running = false;
    // The next batch starts before this one's waiters run, so that the database works while they do.
    if (this.#waiting.length > 0) this.#schedule();
    let fault: { error: unknown } | undefined;
    for (const [index, waiting] of batch.entries()) {
      try {
        waiting.settled?.(failure, results[index]);
      } catch (error) {
        fault ??= { error };
      }
    }
    for (const resolve of this.#idle.splice(0)) resolve();
    // A waiter that throws is a mistake in the program; the others hear their result before it comes to light.
    if (fault) throw fault.error;
  }
}
