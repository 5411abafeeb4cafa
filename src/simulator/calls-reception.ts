/**
 * Counts the packets of one received RTP stream and those that are missing (RFC 3550 §6.4.1, A.3), repetitions apart.
 */

/** Packets this far behind the newest are told from repetitions of it; older ones are not counted. */
const WINDOW = 512;

export class CallReception {
  #ssrc: number | undefined;
  #first = 0;
  #highest = 0;
  /** Those of streams that ended. */
  #earlierLost = 0;
  #expected = 0;
  #received = 0;
  #total = 0;
  /** The sequence number last seen in each place of the window. */
  readonly #seen = new Int32Array(WINDOW).fill(-1);

  /** Packets that came, each once. */
  get packets(): number {
    return this.#total;
  }

  /** Packets between the first and the newest that did not come. */
  get lost(): number {
    return this.#earlierLost + Math.max(0, this.#expected - this.#received);
  }

  /** False when it is a repetition, or too old to tell. */
  take(ssrc: number, sequence: number): boolean {
    if (ssrc !== this.#ssrc) this.#begin(ssrc, sequence);
    const ahead = ((sequence - this.#highest) << 16) >> 16;
    if (ahead <= -WINDOW || this.#seen[sequence % WINDOW] === sequence) return false;
    if (ahead > 0) {
      this.#highest = sequence;
      this.#expected += ahead;
    }
    const before = ((this.#first - sequence) << 16) >> 16;
    if (before > 0 && this.#expected < WINDOW) {
      // It was overtaken by the first one that came.
      this.#first = sequence;
      this.#expected += before;
    }
    this.#seen[sequence % WINDOW] = sequence;
    this.#received += 1;
    this.#total += 1;
    return true;
  }

  #begin(ssrc: number, sequence: number): void {
    this.#earlierLost = this.lost;
    this.#ssrc = ssrc;
    this.#first = sequence;
    this.#highest = sequence;
    this.#expected = 1;
    this.#received = 0;
    this.#seen.fill(-1);
  }
}
