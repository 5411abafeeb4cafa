/**
 * The operator's message ids: a decimal counter that never gives an id twice, also after a kill or with the journal
 * lost. Blocks are noted in the journal before their first id leaves.
 */
import type { Clock } from '../base/clock.ts';
import type { Journal } from './journal.ts';
import { idsLine } from './journal-lines.ts';

const BLOCK = 10_000;
/** Without a journal the clock keeps lives apart, as long as fewer ids than this are given per millisecond. */
const IDS_PER_MS = 16;

export class MessageIds {
  readonly #journal: Journal;
  #next: number;
  #reservedBelow: number;

  constructor(dependencies: { clock: Clock; journal: Journal }) {
    this.#journal = dependencies.journal;
    this.#next = Math.max(1, dependencies.clock.now() * IDS_PER_MS);
    this.#reservedBelow = this.#next;
  }

  get reservedBelow(): number {
    return this.#reservedBelow;
  }

  /** Ids below this may have been given out in an earlier life. */
  skipTo(below: number): void {
    this.#next = Math.max(this.#next, below);
    this.#reservedBelow = Math.max(this.#reservedBelow, this.#next);
  }

  next(): number {
    if (this.#next >= this.#reservedBelow) {
      this.#reservedBelow = this.#next + BLOCK;
      this.#journal.append(idsLine(this.#reservedBelow));
    }
    return this.#next++;
  }
}
