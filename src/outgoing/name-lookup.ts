/**
 * Names to addresses for hosts that customers named. A name may take seconds, and its customer decides how many, so
 * many are asked at a time; the same name is asked once, and a name that failed is not asked again for a moment.
 * Judges nothing.
 */
import type { LookupAddress } from 'node:dns';
import { NameServers } from './name-servers.ts';

export type Lookup = (hostname: string) => Promise<readonly LookupAddress[]>;

/** Each is a query or two on its way. 256 callbacks, 128 checks and 16 recordings may want one at once. */
const MAX_LOOKUPS = 1_000;
const MAX_WAITING_LOOKUPS = 1_000;
const FAILURE_KEPT_MS = 5_000;
const MAX_KEPT_FAILURES = 1_000;

export class NameLookup {
  readonly #lookup: Lookup;
  readonly #underWay = new Map<string, Promise<readonly LookupAddress[]>>();
  readonly #failures = new Map<string, { error: unknown; untilMs: number }>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(lookup: Lookup = new NameServers().lookup) {
    this.#lookup = lookup;
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
    if (this.#running >= MAX_LOOKUPS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
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
