/**
 * The one place that reads the wall clock. Every node follows the database's clock, so that two nodes
 * agree on what is due. A test moves them all by the one row of `clock_shift`; no setting or command does.
 */
export interface Clock {
  /** Whole milliseconds since the epoch, UTC, as the database sees it. */
  now(): number;
}

export class FollowingClock implements Clock {
  #offsetMs = 0;

  now(): number {
    return Date.now() + this.#offsetMs;
  }

  /**
   * Adopts the database's reading, which was taken at some moment of the round trip that ends now. If the clock agrees
   * with any of those moments, it is left alone: a process that was stopped during the round trip would otherwise set
   * its clock back by half of the pause.
   */
  follow(databaseNowMs: number, roundTripMs: number): void {
    const now = this.now();
    if (now >= Math.floor(databaseNowMs) && now <= Math.ceil(databaseNowMs + roundTripMs)) return;
    this.#offsetMs = Math.round(databaseNowMs + roundTripMs / 2) - Date.now();
  }
}

/** A clock that stands still until it is told to move; for tests in one process. */
export class ManualClock implements Clock {
  #nowMs: number;

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  advance(durationMs: number): void {
    this.#nowMs += durationMs;
  }
}
