/**
 * Things to do later, in order of time and, at the same time, in order of arrival: one heap and one timer for all of
 * them, since a timer per message costs more than the message. Follows the clock it is given, also when that is moved.
 */
import type { Clock } from '../base/clock.ts';

/** Due times are looked at no more often than this, so that what is due together goes out together. */
const MIN_TICK_MS = 2;
/** A clock that was moved forward is noticed within this time. */
const MAX_SLEEP_MS = 100;

interface Entry {
  dueMs: number;
  order: number;
  run: () => void;
}

export class DueQueue {
  readonly #clock: Clock;
  readonly #onFault: (error: unknown) => void;
  readonly #heap: Entry[] = [];
  #order = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = 0;
  #stopped = false;

  /** @param dependencies.onFault what a `run` threw; the others still run */
  constructor(dependencies: { clock: Clock; onFault: (error: unknown) => void }) {
    this.#clock = dependencies.clock;
    this.#onFault = dependencies.onFault;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Runs `run` once the clock shows `dueMs` (ms since the epoch), never before this call has returned. */
  at(dueMs: number, run: () => void): void {
    if (this.#stopped) return;
    siftUp(this.#heap, { dueMs, order: this.#order++, run });
    this.#arm();
  }

  /** Forgets everything; nothing runs afterwards. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#heap.length = 0;
  }

  #arm(): void {
    const next = this.#heap[0];
    if (next === undefined || this.#stopped) return;
    if (this.#timer !== undefined && this.#timerDueMs <= next.dueMs) return;
    clearTimeout(this.#timer);
    const sleepMs = Math.min(Math.max(next.dueMs - this.#clock.now(), MIN_TICK_MS), MAX_SLEEP_MS);
    this.#timerDueMs = next.dueMs;
    this.#timer = setTimeout(() => this.#runDue(), sleepMs);
    this.#timer.unref();
  }

  #runDue(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.now();
    // Only what was there before this round: a run that is due at once again cannot keep the loop to itself.
    const before = this.#order;
    for (let next = this.#heap[0]; next !== undefined && next.dueMs <= nowMs; next = this.#heap[0]) {
      if (next.order >= before) break;
      removeTop(this.#heap);
      try {
        next.run();
      } catch (error) {
        this.#onFault(error);
      }
    }
    this.#arm();
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order);
}

function siftUp(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parentAt = (at - 1) >> 1;
    const parent = heap[parentAt];
    if (parent === undefined || !isBefore(entry, parent)) break;
    heap[at] = parent;
    at = parentAt;
  }
  heap[at] = entry;
}

function removeTop(heap: Entry[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let childAt = 2 * at + 1;
    let child = heap[childAt];
    if (child === undefined) break;
    const right = heap[childAt + 1];
    if (right !== undefined && isBefore(right, child)) {
      child = right;
      childAt += 1;
    }
    if (!isBefore(child, last)) break;
    heap[at] = child;
    at = childAt;
  }
  heap[at] = last;
}
