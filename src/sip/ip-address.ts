/** IP addresses written in one way: sockets and peers have several for the same one. */
import { isIPv6, SocketAddress } from 'node:net';

const MAPPED = '::ffff:';

/** `::ffff:127.0.0.1` is how a socket for both families writes an IPv4 address. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** One spelling for each address, so that they can be compared as text; IPv4 as such when it came in through IPv6. */
export function canonicalAddress(address: string): string {
  if (!address.includes(':') || !isIPv6(address)) return address;
  const plain = new SocketAddress({ address, family: 'ipv6' }).address;
  return plain.startsWith(MAPPED) && plain.includes('.') ? plain.slice(MAPPED.length) : plain;
}
