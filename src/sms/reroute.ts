/** Messages that wait for an operator whose links are all down move to the next one on their route that is up. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import type { Database, StageConnection } from '../store/database.ts';
import { reroute, waitingFor } from '../store/queue.ts';
import type { OperatorDirectory } from './operator-directory.ts';

const LOOK_EVERY_MS = 500;
/** A link that falls and binds again at once is not worth moving messages for. */
const DOWN_FOR_MS = 2_000;
const MAX_BATCH = 500;
/** How many messages that no other operator takes a round reads; it goes through a million in some minutes. */
const IDLE_BATCHES_A_ROUND = 5;
const BEFORE_ALL_RANKS = -1;

export class Reroute {
  /** A stage's connection, planned without statistics: over the pool, each batch read and sorted the whole backlog. */
  readonly #connection: StageConnection;
  readonly #options: {
    readonly clock: Clock;
    readonly directory: OperatorDirectory;
    readonly onQueued: () => void;
  };
  readonly #look: Periodic;
  readonly #downSinceMs = new Map<number, number>();
  /** For each operator that is down, the rank up to which its messages were looked at. */
  readonly #reached = new Map<number, number>();

  constructor(options: {
    database: Database;
    clock: Clock;
    directory: OperatorDirectory;
    log: Logger;
    onQueued: () => void;
  }) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#look = new Periodic({
      everyMs: LOOK_EVERY_MS,
      run: async () => {
        await this.#round();
        return false;
      },
      onError: (error) => options.log.warn({ err: error }, 'waiting messages could not be moved'),
    });
  }

  start(): void {
    this.#look.start();
  }

  stop(): Promise<void> {
    return this.#look.stop();
  }

  async #round(): Promise<void> {
    const { directory } = this.#options;
    for (const operator of directory.all()) {
      if (operator.enabled && directory.isUp(operator.operatorId)) {
        this.#downSinceMs.delete(operator.operatorId);
        this.#reached.delete(operator.operatorId);
        continue;
      }
      const sinceMs = this.#downSinceMs.get(operator.operatorId) ?? performance.now();
      this.#downSinceMs.set(operator.operatorId, sinceMs);
      if (performance.now() - sinceMs >= DOWN_FOR_MS) await this.#moveFrom(operator.operatorId);
    }
  }

  async #moveFrom(operatorId: number): Promise<void> {
    const { clock, directory } = this.#options;
    if (![...directory.all()].some((other) => other.enabled && directory.isUp(other.operatorId))) return;
    let idleBatches = 0;
    while (idleBatches < IDLE_BATCHES_A_ROUND && !directory.isUp(operatorId)) {
      const afterRank = this.#reached.get(operatorId) ?? BEFORE_ALL_RANKS;
      const waiting = await waitingFor(this.#connection, operatorId, afterRank, MAX_BATCH);
      const moves = waiting.flatMap(({ msgid, mobile }) => {
        const next = directory.choose(mobile);
        return next === undefined || next === operatorId || !directory.isUp(next) ? [] : [{ msgid, operatorId: next }];
      });
      if (moves.length > 0) {
        await reroute(this.#connection, operatorId, moves, clock.now());
        this.#options.onQueued();
      } else idleBatches += 1;
      const last = waiting.at(-1);
      const isEnd = !last || waiting.length < MAX_BATCH;
      this.#reached.set(operatorId, isEnd ? BEFORE_ALL_RANKS : last.rank);
      if (isEnd) return;
    }
  }
}
