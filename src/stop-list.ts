/** What was started, to be stopped in the reverse order, whether the start as a whole succeeded or not. */
import type { Logger } from './base/log.ts';

export class StopList {
  readonly #steps: (() => Promise<unknown>)[] = [];
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  add(step: () => Promise<unknown>): void {
    this.#steps.push(step);
  }

  /** Never rejects: a part that does not stop well is logged, and the others are stopped all the same. */
  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      await step().catch((error: unknown) => this.#log.error({ err: error }, 'a part did not stop well'));
    }
  }
}
