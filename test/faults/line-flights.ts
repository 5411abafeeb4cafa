/**
 * Of one connection to the operator: the submits that went on to it and whose responses the node cannot have heard, or not in
 * time. Each of them is of unknown outcome for the node, and may be sent twice; nothing else on a connection can be.
 */

/** Below the nodes' response time-out, since theirs began a little before. */
export const HEARD_WITHIN_MS = 1_500;
/** What was written to a node shortly before the end may lie there unread. */
export const UNREAD_MS = 50;

export class LineFlights {
  readonly #onUnheard: (segments: number) => void;
  readonly #now: () => number;
  /** By sequence number: when it went on. */
  readonly #open = new Map<number, number>();
  /** When the latest responses went to the node, the oldest first. */
  readonly #answered: number[] = [];
  #isBroken = false;

  constructor(onUnheard: (segments: number) => void, now = (): number => performance.now()) {
    this.#onUnheard = onUnheard;
    this.#now = now;
  }

  submitted(sequence: number): void {
    this.#open.set(sequence, this.#now());
  }

  answered(sequence: number): void {
    const sinceMs = this.#open.get(sequence);
    if (sinceMs === undefined || this.#isBroken) return;
    const now = this.#now();
    this.#open.delete(sequence);
    if (now - sinceMs > HEARD_WITHIN_MS) {
      this.#onUnheard(1);
      return;
    }
    this.#forgetBefore(now - UNREAD_MS);
    this.#answered.push(now);
  }

  /** The node can make nothing of what comes from now on. */
  broke(): void {
    this.#isBroken = true;
  }

  ended(): void {
    this.#forgetBefore(this.#now() - UNREAD_MS);
    this.#onUnheard(this.#open.size + this.#answered.length);
    this.#open.clear();
    this.#answered.length = 0;
  }

  #forgetBefore(atMs: number): void {
    const kept = this.#answered.findIndex((one) => one >= atMs);
    this.#answered.splice(0, kept === -1 ? this.#answered.length : kept);
  }
}
