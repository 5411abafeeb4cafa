/**
 * Bounds the connections that others open, in a way that strangers can never keep out a peer that we call. A stranger
 * that says nothing is closed after some seconds, or as soon as somebody else needs the place; peers take precedence.
 */
import type { Socket } from 'node:net';
import { canonicalAddress } from './ip-address.ts';

const MAX_CONNECTIONS = 256;
/** A stranger's first message comes within this; a TLS handshake is part of it. */
const MAX_SILENT_MS = 10_000;
/** Trunks with all their addresses. */
const MAX_PEERS = 1_024;

export type IncomingSocket = Pick<Socket, 'remoteAddress' | 'remotePort' | 'destroy' | 'once'>;

interface Connection {
  readonly socket: IncomingSocket;
  readonly address: string;
  /** On the monotonic clock; undefined as long as no message came. */
  heardAtMs: number | undefined;
  readonly silence: NodeJS.Timeout | undefined;
}

export class IncomingConnections {
  /** The oldest first. */
  readonly #connections = new Map<string, Connection>();
  /** Addresses that we called ourselves, the latest last. */
  readonly #peers = new Map<string, true>();
  readonly #max: number;
  readonly #maxSilentMs: number;

  /** Only tests give bounds. */
  constructor(options: { max?: number; maxSilentMs?: number } = {}) {
    this.#max = options.max ?? MAX_CONNECTIONS;
    this.#maxSilentMs = options.maxSilentMs ?? MAX_SILENT_MS;
  }

  /** We call this address: connections from it find room from now on. */
  know(address: string): void {
    const written = canonicalAddress(address);
    this.#peers.delete(written);
    this.#peers.set(written, true);
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > MAX_PEERS && oldest !== undefined) this.#peers.delete(oldest);
  }

  /** Gives the connection a place, perhaps that of another; without one it is closed. */
  admit(transport: string, socket: IncomingSocket): void {
    const address = canonicalAddress(socket.remoteAddress ?? '');
    const isPeer = this.#peers.has(address);
    if (this.#connections.size >= this.#max) {
      const leaving = this.#leastWanted(isPeer);
      if (leaving === undefined) {
        socket.destroy();
        return;
      }
      this.#remove(leaving);
    }
    const key = keyOf(transport, socket.remoteAddress ?? '', socket.remotePort ?? 0);
    const silence = isPeer ? undefined : setTimeout(() => socket.destroy(), this.#maxSilentMs).unref();
    const connection = { socket, address, heardAtMs: undefined, silence };
    this.#connections.set(key, connection);
    socket.once('close', () => {
      clearTimeout(silence);
      if (this.#connections.get(key) === connection) this.#connections.delete(key);
    });
  }

  /** A message came on it. */
  heard(transport: string, remote: { address: string; port: number }): void {
    const connection = this.#connections.get(keyOf(transport, remote.address, remote.port));
    if (connection === undefined) return;
    clearTimeout(connection.silence);
    connection.heardAtMs = performance.now();
  }

  /** Who gives way: a silent stranger for anybody; for a peer, also the stranger, then the peer, silent for longest. */
  #leastWanted(forPeer: boolean): string | undefined {
    let found: { key: string; rank: number; heardAtMs: number } | undefined;
    for (const [key, { address, heardAtMs }] of this.#connections) {
      const isPeer = this.#peers.has(address);
      const rank = isPeer ? 2 : Number(heardAtMs !== undefined);
      if (rank > 0 && !forPeer) continue;
      const candidate = { key, rank, heardAtMs: heardAtMs ?? 0 };
      if (found === undefined || rank < found.rank || (rank === found.rank && candidate.heardAtMs < found.heardAtMs)) {
        found = candidate;
      }
    }
    return found?.key;
  }

  #remove(key: string): void {
    const connection = this.#connections.get(key);
    this.#connections.delete(key);
    clearTimeout(connection?.silence);
    connection?.socket.destroy();
  }
}

function keyOf(transport: string, address: string, port: number): string {
  return `${transport} ${canonicalAddress(address)} ${port}`;
}
