/**
 * The one place that reads the wall clock. Every node follows the database's clock, so that two nodes
 * agree on what is due; a test can shift the database's clock row and every process moves with it.
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

  /** Adopt the database's reading, taken half a round trip before `receivedAtMs` of the local clock. */
  follow(databaseNowMs: number, roundTripMs: number): void {
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
