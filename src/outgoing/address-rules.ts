/**
 * Which addresses the platform may contact because a customer named them: global unicast ones and those of
 * the operator's allow-list, never the platform's own listeners (spec README point 23). It judges addresses,
 * not names: a name is judged by what it resolves to at the moment of connecting.
 */
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import { FeigeError } from '../base/errors.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Where the platform itself listens; address may be a wildcard ('0.0.0.0', '::'). */
export interface Listener {
  readonly address: string;
  readonly port: number;
}

export interface AddressRulesOptions {
  /** CIDRs, or single addresses, that are allowed although they are not global unicast. */
  readonly allow: readonly string[];
  /** Asked at each judgement, since listeners learn their ports only after they have been bound. */
  readonly platformListeners: () => readonly Listener[];
}

/** All unicast addresses that IANA has opened for the internet (RFC 4291 §2.4; the rest is reserved). */
const IPV6_GLOBAL: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
const IPV4_MAPPED_BITS = 96;
/** Judgements that are remembered. */
const MAX_JUDGED = 10_000;
/** Longer is no address (a mapped one has 45), and nothing to keep. */
const MAX_ADDRESS_CHARACTERS = 64;

/** RFC 4291 §2.5.5.1, deprecated: `inet_ntop` writes such addresses so, and ipaddr.js takes them for mapped ones. */
const IPV4_COMPATIBLE = /^::\d+\.\d+\.\d+\.\d+/;

/** The only form in which WHATWG URL leaves an IPv4 address. */
const FOUR_PARTS = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** An IPv6-mapped IPv4 address is contacted over IPv4, so it is judged as that. */
function unmapped(address: Address): Address {
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

function parseRange(text: string): [Address, number] {
  try {
    if (!text.includes('/')) {
      const address = unmapped(ipaddr.parse(text));
      return [address, address.toByteArray().length * 8];
    }
    const [address, bits] = ipaddr.parseCIDR(text);
    const plain = unmapped(address);
    if (plain === address) return [address, bits];
    if (bits < IPV4_MAPPED_BITS) throw new Error('wider than the mapped addresses');
    return [plain, bits - IPV4_MAPPED_BITS];
  } catch (cause) {
    throw new FeigeError('CONFIG_INVALID', `"${text}" is not a CIDR or an address`, { cause });
  }
}

function isIn(address: Address, [network, bits]: [Address, number]): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}

/** Look global, but inside Azure its host answers there: the machine's certificates and extensions for the asking. */
const CLOUD_HOSTS = ['168.63.129.16'];

/** Global unicast by the registries of RFC 6890: no private, shared, translated, tunnelled or documentation range. */
function isGlobalUnicast(address: Address): boolean {
  if (CLOUD_HOSTS.includes(address.toString())) return false;
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || address.match(IPV6_GLOBAL);
}

function isThisMachine(address: Address): boolean {
  const range = address.range();
  if (range === 'loopback' || range === 'unspecified') return true;
  const text = address.toString();
  return Object.values(networkInterfaces()).some((entries) =>
    entries?.some((entry) => ipaddr.isValid(entry.address) && ipaddr.parse(entry.address).toString() === text),
  );
}

export class AddressRules {
  readonly #allow: readonly [Address, number][];
  readonly #platformListeners: () => readonly Listener[];
  /** Literal addresses stand in every request of their customer: reading and judging one took 4 of its 150 µs. */
  readonly #judged = new Map<string, Address | undefined>();

  /** Throws CONFIG_INVALID when an entry of the allow-list is not a CIDR. */
  constructor(options: AddressRulesOptions) {
    this.#allow = options.allow.map(parseRange);
    this.#platformListeners = options.platformListeners;
  }

  /** Whether a connection to this address and port may be made. Text that is not an address is refused. */
  isAllowed(addressText: string, port: number): boolean {
    const address = this.#contactable(addressText);
    return address !== undefined && !this.#isPlatform(address, port);
  }

  /** The address, unless nobody may be contacted there, at no port. */
  #contactable(addressText: string): Address | undefined {
    if (this.#judged.has(addressText)) return this.#judged.get(addressText);
    const address = this.#judge(addressText);
    if (this.#judged.size >= MAX_JUDGED) this.#judged.clear();
    if (addressText.length <= MAX_ADDRESS_CHARACTERS) this.#judged.set(addressText, address);
    return address;
  }

  #judge(addressText: string): Address | undefined {
    if (!ipaddr.isValid(addressText) || IPV4_COMPATIBLE.test(addressText)) return undefined;
    const address = unmapped(ipaddr.parse(addressText));
    return isGlobalUnicast(address) || this.#allow.some((range) => isIn(address, range)) ? address : undefined;
  }

  /** 'name' when the host of the URL has to be resolved; else the judgement on its literal address. */
  literalVerdict(url: URL): 'name' | 'allowed' | 'forbidden' {
    const literal = literalAddress(url.hostname);
    if (literal === undefined) return 'name';
    return this.isAllowed(literal, portOf(url)) ? 'allowed' : 'forbidden';
  }

  #isPlatform(address: Address, port: number): boolean {
    const listeners = this.#platformListeners().filter((listener) => listener.port === port);
    if (listeners.length === 0) return false;
    const local = isThisMachine(address);
    return listeners.some((listener) => {
      if (!ipaddr.isValid(listener.address)) return true;
      const own = unmapped(ipaddr.parse(listener.address));
      return own.toString() === address.toString() || (local && isThisMachine(own));
    });
  }
}

/** The address that stands in a URL's host, without brackets; WHATWG URL has made IPv4 decimal already. */
export function literalAddress(hostname: string): string | undefined {
  if (hostname.startsWith('[')) return hostname.slice(1, -1);
  return FOUR_PARTS.test(hostname) ? hostname : undefined;
}

/** The port that a URL leads to: 80 or 443 when it names none. */
export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}
