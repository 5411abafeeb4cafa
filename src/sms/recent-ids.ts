/**
 * Remembers the operators' ids of recently settled messages, so that a repeated receipt is recognised. It forgets by
 * generations: removing the oldest entries of a Map one at a time walks over every entry removed before.
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
