/**
 * Hands out UDP sockets on the even ports of a range (RFC 3550 §11), in turn from a random start, so that late packets
 * of an ended call do not reach the next one. Ports that another program uses are skipped.
 */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { ThreadSettings } from './protocol.ts';

export type PortResult = { kind: 'bound'; socket: Socket; port: number } | { kind: 'none'; reason: string };

export class PlayerPorts {
  readonly #settings: ThreadSettings;
  readonly #firstEven: number;
  readonly #count: number;
  readonly #taken = new Set<number>();
  #next: number;

  /** @param random in [0, 1) */
  constructor(settings: ThreadSettings, random: () => number = Math.random) {
    this.#settings = settings;
    this.#firstEven = settings.firstPort + (settings.firstPort % 2);
    this.#count = Math.max(0, Math.floor((settings.lastPort - this.#firstEven) / 2) + 1);
    this.#next = Math.floor(random() * this.#count);
  }

  /** Tries every port of the range at most once. */
  async bind(): Promise<PortResult> {
    let refusal = 'all are in use by calls';
    for (let tries = 0; tries < this.#count; tries += 1) {
      const port = this.#firstEven + 2 * this.#next;
      this.#next = (this.#next + 1) % this.#count;
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      const bound = await bindSocket(this.#settings.address, port);
      if (bound.kind === 'bound') return bound;
      this.#taken.delete(port);
      refusal = bound.reason;
    }
    const range = `${this.#settings.firstPort}-${this.#settings.lastPort}`;
    return { kind: 'none', reason: `no even UDP port of ${range} on ${this.#settings.address}: ${refusal}` };
  }

  /** After its socket was closed. */
  release(port: number): void {
    this.#taken.delete(port);
  }
}

function bindSocket(address: string, port: number): Promise<PortResult> {
  const family = isIPv6(address) ? 6 : 4;
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    // Destinations are IP addresses of its family: nothing is looked up on this thread, a send needs no turn of the
    // loop.
    lookup: (host, _options, done) => done(null, host, family),
  });
  return new Promise((resolve) => {
    socket.once('error', (error) => {
      socket.close();
      resolve({ kind: 'none', reason: error.message });
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      resolve({ kind: 'bound', socket, port });
    });
  });
}
