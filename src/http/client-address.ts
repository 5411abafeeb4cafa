/**
 * The client's address: the socket's peer or, if that is a trusted proxy, the last address in X-Forwarded-For that is
 * not one. The header is never believed when it comes from anybody else.
 */
import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

const IPV4_MAPPED_BITS = 96;
const MAX_HOPS = 32;
/** One customer's part of the IPv6 space at the least: guessing is counted for the whole of it. */
const IPV6_SITE_PARTS = 4;

/** The address, an IPv6-mapped IPv4 one as IPv4; undefined for anything else, a port behind it excepted. */
export function parseAddress(text: string): Address | undefined {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  return ipaddr.IPv4.isValidFourPartDecimal(bare) || ipaddr.IPv6.isValid(bare) ? ipaddr.process(bare) : undefined;
}

/** Addresses and CIDRs of both families; what is neither matches nothing. */
export class AddressList {
  readonly #ranges: readonly Range[];

  constructor(entries: readonly string[]) {
    this.#ranges = entries.map(parseRange).filter((range) => range !== undefined);
  }

  has(address: Address): boolean {
    return this.#ranges.some(
      ([network, bits]) =>
        network.kind() === address.kind() && (address as ipaddr.IPv4).match(network as ipaddr.IPv4, bits),
    );
  }
}

function parseRange(entry: string): Range | undefined {
  const [host = '', bitsText] = entry.trim().split('/', 2);
  const address = parseAddress(host);
  if (address === undefined) return undefined;
  const widest = address.kind() === 'ipv4' ? 32 : 128;
  if (bitsText === undefined) return [address, widest];
  if (!/^\d{1,3}$/.test(bitsText)) return undefined;
  const bits = Number(bitsText) - (address.kind() === 'ipv4' && host.includes(':') ? IPV4_MAPPED_BITS : 0);
  return bits >= 0 && bits <= widest ? [address, bits] : undefined;
}

export class ClientAddresses {
  readonly #proxies: AddressList;
  readonly #trustsAny: boolean;

  /** @param options.trustedProxies CIDRs whose X-Forwarded-For is believed */
  constructor(options: { trustedProxies: readonly string[] }) {
    this.#proxies = new AddressList(options.trustedProxies);
    this.#trustsAny = options.trustedProxies.length > 0;
  }

  /** Undefined only when the socket is gone. */
  of(request: IncomingMessage): Address | undefined {
    const peer = parseAddress(request.socket.remoteAddress ?? '');
    if (!this.#trustsAny || peer === undefined || !this.#proxies.has(peer)) return peer;
    const header = request.headers['x-forwarded-for'];
    const hops = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').slice(-MAX_HOPS);
    let client = peer;
    for (const hop of hops.reverse()) {
      const address = parseAddress(hop.trim());
      if (address === undefined) return client;
      client = address;
      if (!this.#proxies.has(address)) return client;
    }
    return client;
  }
}

/** What guesses of one client are counted under: its IPv4 address, or its /64. */
export function siteOf(address: Address | undefined): string {
  if (address === undefined) return 'unknown';
  return address instanceof ipaddr.IPv6 ? address.parts.slice(0, IPV6_SITE_PARTS).join(':') : address.toString();
}
