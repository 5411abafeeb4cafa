/**
 * Limits the calls of each trunk, at once and per second (issue 3). A call waits here for its turn, in order; the
 * dispatcher asks how much room there is before it claims.
 */
import { TokenBucket } from '../base/token-bucket.ts';
import type { Trunk } from '../store/trunks.ts';

/** How often waiting calls are looked at while there are any. */
const TICK_MS = 20;

interface Lane {
  trunk: Trunk;
  active: number;
  bucket: TokenBucket;
  waiting: ((granted: boolean) => void)[];
}

export class TrunkLanes {
  readonly #lanes = new Map<number, Lane>();
  readonly #shareOf: (allowed: number) => number;
  #ticker: NodeJS.Timeout | undefined;

  /** `shareOf`: this node's part of what a trunk allows. */
  constructor(options: { shareOf: (allowed: number) => number }) {
    this.#shareOf = options.shareOf;
  }

  /** Calls that could be dialled now, in all trunks given. */
  room(trunks: readonly Trunk[]): number {
    const nowMs = performance.now();
    let room = 0;
    for (const trunk of trunks) {
      const lane = this.#laneOf(trunk);
      const free = Math.min(this.#maxCalls(lane) - lane.active, lane.bucket.available(nowMs)) - lane.waiting.length;
      room += Math.max(0, free);
    }
    return room;
  }

  /**
   * Resolves with true when a call may be dialled over the trunk; call `release` at its end. False after
   * `cancelWaiting`.
   */
  turn(trunk: Trunk): Promise<boolean> {
    const lane = this.#laneOf(trunk);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    lane.waiting.push(resolve);
    this.#serve(lane);
    if (lane.waiting.length > 0) this.#ticker ??= setInterval(() => this.#tick(), TICK_MS).unref();
    return promise;
  }

  release({ trunkId }: Trunk): void {
    const lane = this.#lanes.get(trunkId);
    if (lane === undefined) return;
    lane.active -= 1;
    this.#serve(lane);
  }

  /** Ends all waiting; none of those that wait now gets a turn. */
  cancelWaiting(): void {
    for (const lane of this.#lanes.values()) for (const answer of lane.waiting.splice(0)) answer(false);
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #tick(): void {
    let waiting = 0;
    for (const lane of this.#lanes.values()) {
      this.#serve(lane);
      waiting += lane.waiting.length;
    }
    if (waiting > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #serve(lane: Lane): void {
    let free = Math.min(this.#maxCalls(lane) - lane.active, lane.bucket.available(performance.now()));
    for (; free > 0 && lane.waiting.length > 0; free -= 1) {
      lane.active += 1;
      lane.bucket.take(1);
      lane.waiting.shift()?.(true);
    }
  }

  #maxCalls({ trunk }: Lane): number {
    return Math.max(1, Math.floor(this.#shareOf(trunk.settings.maxCalls)));
  }

  /** In the version of its settings that was seen last. */
  #laneOf(trunk: Trunk): Lane {
    const rate = this.#shareOf(trunk.settings.callsPerSecond);
    const known = this.#lanes.get(trunk.trunkId);
    if (known !== undefined) {
      known.trunk = trunk;
      known.bucket.setRate(rate, performance.now());
      return known;
    }
    const lane: Lane = { trunk, active: 0, bucket: new TokenBucket(rate, performance.now()), waiting: [] };
    this.#lanes.set(trunk.trunkId, lane);
    return lane;
  }
}
