/**
 * Sees a batch that makes the process stand still, which the process itself cannot: a thread is told of each batch
 * before it is fed, and hears every second that the event loop turns. When it hears nothing it keeps the batch and
 * ends the process.
 */
import { Worker } from 'node:worker_threads';
import type { Beat, WatchedBatch } from './watch-thread.ts';

const BEAT_MS = 1_000;

export class Watch {
  readonly #thread: Worker;
  readonly #beating: NodeJS.Timeout;

  constructor(stuckAfterMs: number) {
    this.#thread = new Worker(new URL('./watch-thread.ts', import.meta.url), {
      workerData: { stuckAfterMs },
      // Or it inherits what only the main thread can be started with.
      execArgv: [],
    });
    this.#thread.unref();
    this.#beating = setInterval(() => this.#tell('turning'), BEAT_MS).unref();
  }

  begin(batch: WatchedBatch): void {
    this.#tell(batch);
  }

  end(): void {
    this.#tell('ended');
  }

  async stop(): Promise<void> {
    clearInterval(this.#beating);
    await this.#thread.terminate();
  }

  #tell(beat: Beat): void {
    this.#thread.postMessage(beat);
  }
}
