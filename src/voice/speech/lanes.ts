/** Runs a bounded number of syntheses at a time, oldest first, and refuses what would wait behind too many others. */
import { SpeechFailure } from './driver.ts';

interface Waiting {
  begin(): void;
  refuse(failure: SpeechFailure): void;
}

export class SpeechLanes {
  readonly #lanes: number;
  readonly #maxWaiting: number;
  readonly #waiting: Waiting[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #busy = 0;
  #stopped = false;

  constructor(options: { lanes: number; maxWaiting: number }) {
    this.#lanes = options.lanes;
    this.#maxWaiting = options.maxWaiting;
  }

  /** @throws SpeechFailure `busy` or `stopped`, else what `task` throws */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#stopped) throw stopped();
    if (this.#busy < this.#lanes) this.#busy++;
    else await this.#waitForTurn();
    try {
      if (this.#stopped) throw stopped();
      const running = task();
      this.#running.add(running);
      return await running.finally(() => this.#running.delete(running));
    } finally {
      // The lane is handed over, not freed: nobody may slip in before the one whose turn it is.
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy--;
      else next.begin();
    }
  }

  /** Refuses what waits; resolves when what runs has ended, which is for its owner to hasten. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const waiting of this.#waiting.splice(0)) waiting.refuse(stopped());
    await Promise.allSettled(this.#running);
  }

  #waitForTurn(): Promise<void> {
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new SpeechFailure('busy', `${this.#maxWaiting} messages wait for speech already`);
    }
    return new Promise((begin, refuse) => {
      this.#waiting.push({ begin, refuse });
    });
  }
}

function stopped(): SpeechFailure {
  return new SpeechFailure('stopped', 'speech has been stopped');
}
