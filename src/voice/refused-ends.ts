/**
 * Ends of calls that the database refuses for their content. Each is tried again after growing pauses, at last without
 * callback and event, so that the call leaves the queue and unused points are refunded. If even that is refused, it is
 * tried once a minute. If the node dies, the node that takes over ends the call.
 */
import type { Logger } from '../base/log.ts';
import type { EndedCall } from '../store/call-settlement.ts';

/** Long enough for a missing partition to be made. */
const PAUSES_MS: readonly number[] = [1_000, 5_000, 30_000];
const BARE_EVERY_MS = 60_000;
/** A node has 500 calls. A refused end is a fault of ours, and mending it may take a while. */
const MAX_ENDS = 10_000;

export interface RefusedEndsOptions {
  readonly log: Logger;
  /** Whether the database took it. `bare`: without callback and event. */
  readonly settle: (ended: EndedCall, options: { bare: boolean }) => Promise<boolean>;
  /** Before each whole try; absent: 1, 5 and 30 s. */
  readonly pausesMs?: readonly number[];
}

export class RefusedEnds {
  readonly #options: RefusedEndsOptions;
  readonly #pausesMs: readonly number[];
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(options: RefusedEndsOptions) {
    this.#options = options;
    this.#pausesMs = options.pausesMs ?? PAUSES_MS;
  }

  add(ended: EndedCall): void {
    const { msgid } = ended;
    if (this.#timers.size >= MAX_ENDS) {
      this.#options.log.error({ msgid }, 'the end of a call stays refused until this node restarts');
      return;
    }
    this.#options.log.error({ msgid }, 'the database refuses the end of a call; it is tried again');
    this.#later(ended, 0);
  }

  /** Nothing is tried any more. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #later(ended: EndedCall, tries: number): void {
    if (this.#stopped) return;
    const bare = tries > this.#pausesMs.length;
    const pauseMs = bare ? BARE_EVERY_MS : (this.#pausesMs[tries] ?? 0);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#again(ended, tries);
    }, pauseMs).unref();
    this.#timers.add(timer);
  }

  async #again(ended: EndedCall, tries: number): Promise<void> {
    const bare = tries >= this.#pausesMs.length;
    if (!(await this.#options.settle(ended, { bare }))) {
      this.#later(ended, tries + 1);
      return;
    }
    const { msgid } = ended;
    if (bare) this.#options.log.error({ msgid }, 'a call was ended without a callback: the database refused the rest');
  }
}
