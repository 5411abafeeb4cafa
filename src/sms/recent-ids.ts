/**
 * The operators' ids of what was settled lately, so that a receipt that comes again is known for what it is. Forgets
 * by generations: taking the oldest entry out of a Map one at a time walks over every entry taken out before.
 */
const MAX_GENERATION = 50_000;

export class RecentIds {
  #young = new Map<string, number>();
  #old: ReadonlyMap<string, number> = new Map();

  /** Remembers the msgid of (operator, id); at least the last 50,000 are kept. */
  add(key: string, msgid: number): void {
    if (this.#young.size >= MAX_GENERATION) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, msgid);
  }

  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key);
  }

  get(key: string): number | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }
}
