/**
 * When which streams are due. Each stream sends every 20 ms, in one of four groups 5 ms apart so that hundreds of
 * packets do not leave in one burst. Times are absolute: a late wake-up is made good, never carried on.
 */
import { PTIME_MS } from '../../sip/rtp-sender.ts';

export const GROUPS = 4;
const TICK_MS = PTIME_MS / GROUPS;
/**
 * What a stalled thread sends at once afterwards: 100 ms, which a jitter buffer has room for. Of a longer stall the
 * rest is skipped: the speech goes on later, and nothing of it is lost.
 */
const MAX_CATCH_UP_PACKETS = 5;
const MAX_CATCH_UP_TICKS = MAX_CATCH_UP_PACKETS * GROUPS;

export interface Due {
  /** Packet times of every stream in which nothing is sent any more. */
  skippedPackets: number;
  /** Groups to send, in order; at most `MAX_CATCH_UP_TICKS` and the remainder of one packet time. */
  groups: number[];
}

export class Pace {
  readonly #originMs: number;
  #nextTick = 0;

  /** @param originMs of the caller's monotonic clock */
  constructor(originMs: number) {
    this.#originMs = originMs;
  }

  /** What has become due, once. */
  take(nowMs: number): Due {
    const lastTick = Math.floor((nowMs - this.#originMs) / TICK_MS);
    const behind = lastTick + 1 - this.#nextTick;
    const skippedPackets = Math.max(0, Math.floor((behind - MAX_CATCH_UP_TICKS) / GROUPS));
    this.#nextTick += skippedPackets * GROUPS;
    const groups: number[] = [];
    for (; this.#nextTick <= lastTick; this.#nextTick += 1) groups.push(this.#nextTick % GROUPS);
    return { skippedPackets, groups };
  }

  /** Until the next group is due, in whole milliseconds, rounded up: a timer must not fire before. */
  delayMs(nowMs: number): number {
    return Math.max(0, Math.ceil(this.#originMs + this.#nextTick * TICK_MS - nowMs));
  }
}
