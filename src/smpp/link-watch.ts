/**
 * Decides when to send enquire_link (SMPP 3.4 §4.11) and when the link is dead. Anything the peer sends is a sign of
 * life; what makes it dead is silence after several enquiries, never one missing response to a message.
 */
export class LinkWatch {
  readonly #quietMs: number;
  readonly #answerMs: number;
  readonly #maxMissed: number;
  #heardAtMs: number;
  #askedAtMs: number | undefined;
  #askedSequence = 0;
  #missed = 0;

  /** With `quietMs` 0 it never asks. All times are by one clock of the caller's. */
  constructor(settings: { quietMs: number; answerMs: number; maxMissed: number; nowMs: number }) {
    this.#quietMs = settings.quietMs;
    this.#answerMs = settings.answerMs;
    this.#maxMissed = settings.maxMissed;
    this.#heardAtMs = settings.nowMs;
  }

  heard(nowMs: number): void {
    this.#heardAtMs = nowMs;
    this.#missed = 0;
  }

  /** True when `sequence` was the enquiry's. */
  answered(sequence: number): boolean {
    if (this.#askedAtMs === undefined || sequence !== this.#askedSequence) return false;
    this.#askedAtMs = undefined;
    return true;
  }

  asked(sequence: number, nowMs: number): void {
    this.#askedSequence = sequence;
    this.#askedAtMs = nowMs;
  }

  /** To be called now and then. `doubtful`: a request has just timed out, so ask without waiting for silence. */
  check(nowMs: number, doubtful: boolean): 'fine' | 'ask' | 'dead' {
    if (this.#quietMs === 0) return 'fine';
    if (this.#askedAtMs === undefined) {
      return doubtful || nowMs - this.#heardAtMs >= this.#quietMs ? 'ask' : 'fine';
    }
    if (nowMs - this.#askedAtMs < this.#answerMs) return 'fine';
    const silent = this.#heardAtMs <= this.#askedAtMs;
    this.#askedAtMs = undefined;
    if (!silent) return 'fine';
    this.#missed += 1;
    return this.#missed >= this.#maxMissed ? 'dead' : 'ask';
  }
}
