/**
 * Lets items from many addresses through a few at a time, when each costs the event loop something, taking the
 * addresses one after the other. Everybody else's work is done between two turns, and a client with an address of its
 * own does not wait behind a thousand connections of another.
 */

/** The share of a long line that is let on in each turn: of 10,000 the last within some 800 turns. */
const LEAST_SHARE = 1 / 250;

export class TurnLine<Item> {
  readonly #leastPerTurn: number;
  readonly #letOn: (item: Item) => void;
  /** Sites in the order of their turns. */
  readonly #waiting = new Map<string, Item[]>();
  #size = 0;
  #isScheduled = false;

  /** @param leastPerTurn so many are let on in each turn of the event loop, unless there are fewer */
  constructor(leastPerTurn: number, letOn: (item: Item) => void) {
    this.#leastPerTurn = leastPerTurn;
    this.#letOn = letOn;
  }

  add(site: string, item: Item): void {
    const ofSite = this.#waiting.get(site);
    if (ofSite === undefined) this.#waiting.set(site, [item]);
    else ofSite.push(item);
    this.#size++;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isScheduled = false;
    let places = Math.max(this.#leastPerTurn, Math.ceil(this.#size * LEAST_SHARE));
    // A site that goes to the end of the line is met again in the same round.
    for (const [site, items] of this.#waiting) {
      if (places-- === 0) break;
      const item = items.shift();
      this.#waiting.delete(site);
      if (items.length > 0) this.#waiting.set(site, items);
      if (item === undefined) continue;
      this.#size--;
      this.#letOn(item);
    }
    this.#schedule();
  }
}
