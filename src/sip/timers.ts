/** The times of RFC 3261 table 4, in milliseconds. Tests shorten them; nothing else should. */

export interface SipTimers {
  /** Round-trip estimate, first interval of a retransmission. */
  t1Ms: number;
  /** Longest interval between retransmissions. */
  t2Ms: number;
  /** How long a message can stay in the network. */
  t4Ms: number;
}

export const DEFAULT_TIMERS: SipTimers = { t1Ms: 500, t2Ms: 4_000, t4Ms: 5_000 };

/** Timers B, F, H, J, L and M all are 64·T1. */
export function transactionTimeoutMs(timers: SipTimers): number {
  return 64 * timers.t1Ms;
}

/** Repeats with growing intervals until it is stopped (timers A, E and G). Its owner stops it in time. */
export class Repeater {
  #timer: NodeJS.Timeout | undefined;

  /** @param longestMs where doubling ends */
  start(firstMs: number, longestMs: number, repeat: () => void): void {
    this.stop();
    const next = (intervalMs: number): void => {
      this.#timer = setTimeout(() => {
        next(Math.min(intervalMs * 2, longestMs));
        repeat();
      }, intervalMs);
    };
    next(firstMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
