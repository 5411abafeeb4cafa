/**
 * Names to addresses from the name servers themselves, over sockets of this process. The system's resolver does it on
 * threads, of which Node lends two to look-ups: two names whose servers never answer kept everybody else's waiting. It
 * is asked only about names without a dot, which nobody's own servers answer for; /etc/hosts is read first, as it does.
 */
import type { LookupAddress } from 'node:dns';
import { lookup as systemLookup, Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type Lookup, NameLookup } from './name-lookup.ts';

/** For one server's answer; each is asked twice. */
const ANSWER_MS = 2_000;
const TRIES = 2;
const HOSTS_FILE = '/etc/hosts';
const HOSTS_KEPT_MS = 5_000;
/** Servers change with the network, and a resolver reads their names once. */
const RESOLVER_KEPT_MS = 60_000;
/** Each is a query or two on its way. 256 callbacks, 128 checks and 16 recordings may want one at once. */
const MAX_LOOKUPS = 1_000;
/** Node has four such threads by default, and hashes need them too. */
const MAX_SYSTEM_LOOKUPS = 2;

/** For the hosts that customers name. */
export function customersNames(lookup: Lookup = new NameServers().lookup): NameLookup {
  return new NameLookup(lookup, { atOnce: MAX_LOOKUPS });
}

export class NameServers {
  readonly #system = new NameLookup((name) => systemLookup(name, { all: true }), { atOnce: MAX_SYSTEM_LOOKUPS });
  readonly #servers: readonly string[] | undefined;
  readonly #hostsFile: string;
  #resolver: Resolver;
  #resolverSinceMs = performance.now();
  #hosts: Promise<ReadonlyMap<string, readonly LookupAddress[]>> | undefined;
  #hostsReadMs = 0;

  /** Only tests give options; the servers are the system's, of /etc/resolv.conf. */
  constructor(options: { servers?: readonly string[]; hostsFile?: string } = {}) {
    this.#servers = options.servers;
    this.#resolver = this.#makeResolver();
    this.#hostsFile = options.hostsFile ?? HOSTS_FILE;
  }

  /** Every address, IPv4 first. Rejects with what the servers say when there is none. */
  readonly lookup = async (hostname: string): Promise<readonly LookupAddress[]> => {
    const name = hostname.replace(/\.$/, '').toLowerCase();
    const listed = (await this.#listedHosts()).get(name);
    if (listed !== undefined) return listed;
    if (!name.includes('.')) return this.#system.resolve(hostname);
    const resolver = this.#freshResolver();
    const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = [
      ...(four.status === 'fulfilled' ? four.value : []).map((address) => ({ address, family: 4 })),
      ...(six.status === 'fulfilled' ? six.value : []).map((address) => ({ address, family: 6 })),
    ];
    if (found.length === 0 && four.status === 'rejected') throw four.reason;
    return found;
  };

  #freshResolver(): Resolver {
    const nowMs = performance.now();
    if (nowMs - this.#resolverSinceMs > RESOLVER_KEPT_MS) {
      this.#resolver = this.#makeResolver();
      this.#resolverSinceMs = nowMs;
    }
    return this.#resolver;
  }

  #makeResolver(): Resolver {
    const resolver = new Resolver({ timeout: ANSWER_MS, tries: TRIES, maxTimeout: ANSWER_MS });
    if (this.#servers !== undefined) resolver.setServers(this.#servers);
    return resolver;
  }

  #listedHosts(): Promise<ReadonlyMap<string, readonly LookupAddress[]>> {
    const nowMs = performance.now();
    if (this.#hosts === undefined || nowMs - this.#hostsReadMs > HOSTS_KEPT_MS) {
      this.#hostsReadMs = nowMs;
      this.#hosts = readFile(this.#hostsFile, 'utf8').then(parseHosts, () => new Map());
    }
    return this.#hosts;
  }
}

/** hosts(5): an address, then its names; `#` begins a comment. */
function parseHosts(text: string): ReadonlyMap<string, readonly LookupAddress[]> {
  const hosts = new Map<string, LookupAddress[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/);
    const family = isIP(address);
    if (family === 0) continue;
    for (const name of names) {
      const known = hosts.get(name.toLowerCase()) ?? [];
      known.push({ address, family });
      hosts.set(name.toLowerCase(), known);
    }
  }
  return hosts;
}
