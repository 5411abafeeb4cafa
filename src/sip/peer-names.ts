/**
 * Turns host names of trunks into addresses: a name is asked for once at a time and kept for a while. Addresses pass
 * through. No SRV or NAPTR records.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

const KEPT_MS = 30_000;
const MAX_KEPT = 256;

export class PeerNames {
  readonly #family: 4 | 6;
  readonly #kept = new Map<string, { address: Promise<string>; untilMs: number }>();

  constructor(family: 4 | 6) {
    this.#family = family;
  }

  /** Rejects when the name has no address of our family, or the resolver takes too long. */
  resolve(host: string, timeoutMs: number): Promise<string> {
    if (isIP(host) !== 0) return Promise.resolve(host);
    const nowMs = performance.now();
    const kept = this.#kept.get(host);
    if (kept !== undefined && nowMs < kept.untilMs) return within(kept.address, timeoutMs);
    const address = lookup(host, { family: this.#family }).then((found) => found.address);
    this.#kept.delete(host);
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    this.#kept.set(host, { address, untilMs: nowMs + KEPT_MS });
    address.catch(() => this.#kept.delete(host));
    return within(address, timeoutMs);
  }
}

function within(address: Promise<string>, timeoutMs: number): Promise<string> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('name look-up timed out')), timeoutMs);
  return Promise.race([address, late.promise]).finally(() => clearTimeout(timer));
}
