/**
 * Requests sent and not yet answered, in the order they were sent. One map entry each; since all of a session have the
 * same timeout, looking for overdue ones stops at the first that is not. Every entry is settled exactly once.
 */
import type { Pdu } from './pdu.ts';

export type Outcome =
  | { kind: 'response'; pdu: Pdu }
  | { kind: 'unknown'; sequence: number; reason: 'timeout' | 'closed' }
  | { kind: 'not-sent'; reason: 'closed' | 'window-full' };

export interface PendingRequest {
  /** The command name of its response. */
  expects: Pdu['command'];
  /** On the session's own clock. */
  sentAtMs: number;
  /** The output's batch it was written under. */
  batch: number;
  settle(outcome: Outcome): void;
}

/** Timed-out sequences remembered, so that their late responses are told from responses to nothing. */
const MAX_REMEMBERED_TIMEOUTS = 20_000;

export class PendingRequests {
  readonly #requests = new Map<number, PendingRequest>();
  readonly #timedOut = new Set<number>();

  get size(): number {
    return this.#requests.size;
  }

  add(sequence: number, request: PendingRequest): void {
    this.#requests.set(sequence, request);
  }

  /** Takes out the request this PDU answers; a response of another command answers nothing, generic_nack anything. */
  take(pdu: Pdu): PendingRequest | undefined {
    const request = this.#requests.get(pdu.sequence);
    if (request === undefined) return undefined;
    if (request.expects !== pdu.command && pdu.command !== 'generic_nack') return undefined;
    this.#requests.delete(pdu.sequence);
    return request;
  }

  /** Takes out what was sent at or before `sentBeforeMs`, oldest first, and remembers it. */
  takeOverdue(sentBeforeMs: number): [sequence: number, request: PendingRequest][] {
    const overdue: [number, PendingRequest][] = [];
    for (const entry of this.#requests) {
      if (entry[1].sentAtMs > sentBeforeMs) break;
      overdue.push(entry);
    }
    for (const [sequence] of overdue) {
      this.#requests.delete(sequence);
      this.#remember(sequence);
    }
    return overdue;
  }

  /** True once for a sequence that timed out before. */
  takeTimedOut(sequence: number): boolean {
    return this.#timedOut.delete(sequence);
  }

  /** Takes out everything. */
  takeAll(): [sequence: number, request: PendingRequest][] {
    const all = [...this.#requests];
    this.#requests.clear();
    this.#timedOut.clear();
    return all;
  }

  #remember(sequence: number): void {
    this.#timedOut.add(sequence);
    if (this.#timedOut.size <= MAX_REMEMBERED_TIMEOUTS) return;
    for (const oldest of this.#timedOut) {
      this.#timedOut.delete(oldest);
      return;
    }
  }
}
