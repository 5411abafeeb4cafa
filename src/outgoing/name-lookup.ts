/**
 * Bounds what look-ups of names cost: so many at a time, the same name is asked once, and a name that failed is not
 * asked again for a moment. Judges nothing.
 */
import type { LookupAddress } from 'node:dns';

export type Lookup = (hostname: string) => Promise<readonly LookupAddress[]>;

const MAX_WAITING_LOOKUPS = 1_000;
const FAILURE_KEPT_MS = 5_000;
const MAX_KEPT_FAILURES = 1_000;

export class NameLookup {
  readonly #lookup: Lookup;
  readonly #maxLookups: number;
  readonly #underWay = new Map<string, Promise<readonly LookupAddress[]>>();
  readonly #failures = new Map<string, { error: unknown; untilMs: number }>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(lookup: Lookup, options: { atOnce: number }) {
    this.#lookup = lookup;
    this.#maxLookups = options.atOnce;
  }

  /** All addresses of a name, in the resolver's order. Throws what the resolver throws, or when too many wait. */
  resolve(hostname: string): Promise<readonly LookupAddress[]> {
    const shared = this.#underWay.get(hostname);
    if (shared) return shared;
    const failure = this.#failures.get(hostname);
    if (failure && performance.now() < failure.untilMs) return Promise.reject(failure.error);
    this.#failures.delete(hostname);
    if (this.#waiting.length >= MAX_WAITING_LOOKUPS) return Promise.reject(new Error('too many names to look up'));
    const resolving = this.#resolve(hostname).finally(() => this.#underWay.delete(hostname));
    this.#underWay.set(hostname, resolving);
    return resolving;
  }

  async #resolve(hostname: string): Promise<readonly LookupAddress[]> {
    if (this.#running >= this.#maxLookups) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await this.#lookup(hostname);
    } catch (error) {
      this.#keepFailure(hostname, error);
      throw error;
    } finally {
      // The place passes straight to the next in line.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }

  #keepFailure(hostname: string, error: unknown): void {
    if (this.#failures.size >= MAX_KEPT_FAILURES) {
      const oldest = this.#failures.keys().next();
      if (!oldest.done) this.#failures.delete(oldest.value);
    }
    this.#failures.set(hostname, { error, untilMs: performance.now() + FAILURE_KEPT_MS });
  }
}
