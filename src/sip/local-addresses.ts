/**
 * Which address of ours a peer should be told: the public one by setting, the bound one, or that of the interface
 * towards it.
 */
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { plainAddress } from './ip-address.ts';

interface Interface {
  address: string;
  internal: boolean;
  subnet: BlockList;
}

export class LocalAddresses {
  readonly #fixed: string | undefined;
  readonly #family: 'ipv4' | 'ipv6';
  readonly #interfaces: readonly Interface[];

  /** @param bindAddress an IP address, perhaps the one that stands for all */
  constructor(bindAddress: string, publicAddress: string | undefined) {
    const everywhere = bindAddress === '0.0.0.0' || bindAddress === '::';
    this.#fixed = publicAddress ?? (everywhere ? undefined : bindAddress);
    this.#family = isIP(bindAddress) === 6 ? 'ipv6' : 'ipv4';
    this.#interfaces = this.#fixed === undefined ? readInterfaces(this.#family) : [];
  }

  /** @param seen what the connection's own socket says, where there is a connection */
  towards(remoteAddress: string, seen?: string): string {
    if (this.#fixed !== undefined) return this.#fixed;
    if (seen !== undefined) return plainAddress(seen);
    const near = this.#interfaces.find(
      ({ subnet }) => isIP(remoteAddress) !== 0 && subnet.check(remoteAddress, this.#family),
    );
    const outward = near ?? this.#interfaces.find(({ internal }) => !internal) ?? this.#interfaces[0];
    return outward?.address ?? (this.#family === 'ipv6' ? '::1' : '127.0.0.1');
  }
}

function readInterfaces(family: 'ipv4' | 'ipv6'): Interface[] {
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter((entry) => entry.family.toLowerCase() === family && entry.cidr !== null)
    .map(({ address, internal, cidr }) => {
      const subnet = new BlockList();
      subnet.addSubnet(address, Number(cidr?.split('/')[1]), family);
      return { address, internal, subnet };
    });
}
