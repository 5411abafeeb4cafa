/**
 * Paces connections from addresses at which no client was verified yet. They wait here until something is asked on
 * them, and then for their turn. Otherwise someone who has 1,500 connections ask at once, to guess passwords for
 * example, would have all of it read and handled in one go while everybody else waits. Silent connections cost nothing
 * and delay nobody. Once a client at an address was verified, connections from that address no longer wait.
 */
import type { Server, Socket } from 'node:net';
import { parseAddress, siteOf } from './client-address.ts';
import { RecentMap } from './recent-map.ts';
import { TurnLine } from './turn-line.ts';

/** Connections begun to be read in a turn of the event loop: the first packet of each takes some 30 µs. */
const LISTENED_TO_PER_TURN = 16;
/** Connections given to HTTP in a turn: request and refusal take 0.1 to 0.2 ms, a TLS handshake 1 ms. */
const TAKEN_PER_TURN = 4;
/** As long as HTTP gives a request's headers. */
const SILENCE_MS = 20_000;
const MAX_KNOWN_SITES = 50_000;

type Listener = (socket: Socket) => void;

interface Newcomer {
  readonly socket: Socket;
  readonly site: string;
  /** Lets HTTP, or TLS, have the connection. */
  readonly take: () => void;
  silence?: NodeJS.Timeout;
}

export class Newcomers {
  readonly #silenceMs: number;
  readonly #waiting = new Set<Newcomer>();
  /** Nothing is read of these before their turn. */
  readonly #unread = new TurnLine<Newcomer>(LISTENED_TO_PER_TURN, (newcomer) => this.#listen(newcomer));
  /** Their first packet is here. */
  readonly #asking = new TurnLine<Newcomer>(TAKEN_PER_TURN, (newcomer) => this.#take(newcomer));
  readonly #knownSites = new RecentMap<true>(MAX_KNOWN_SITES);
  readonly #verified = new WeakSet<Socket>();
  #isOpen = false;

  /** @param silenceMs a connection on which nothing is asked for so long is closed; only tests give it */
  constructor(silenceMs = SILENCE_MS) {
    this.#silenceMs = silenceMs;
  }

  /**
   * Call it last, before `server` listens: its 'connection' listeners of that moment get each connection in its turn.
   */
  guard(server: Server): void {
    const takers = server.listeners('connection') as Listener[];
    server.removeAllListeners('connection');
    Object.assign(server, { pauseOnConnect: true });
    server.on('connection', (socket: Socket) => {
      const take = (): void => {
        for (const taker of takers) taker.call(server, socket);
        socket.resume();
      };
      this.#arrived({ socket, site: siteOfPeer(socket), take });
    });
  }

  /** A client was verified on this connection: others from its address no longer wait. */
  verified(socket: Socket): void {
    if (this.#verified.has(socket)) return;
    this.#verified.add(socket);
    const site = siteOfPeer(socket);
    if (this.#knownSites.get(site) === true) return;
    this.#knownSites.set(site, true);
    for (const newcomer of this.#waiting) if (newcomer.site === site) this.#take(newcomer);
  }

  /** Lets in all that wait; from now on no connection waits. */
  open(): void {
    this.#isOpen = true;
    for (const newcomer of this.#waiting) this.#take(newcomer);
  }

  #arrived(newcomer: Newcomer): void {
    if (this.#isOpen || this.#knownSites.get(newcomer.site) === true) {
      newcomer.take();
      return;
    }
    this.#waiting.add(newcomer);
    newcomer.socket.on('error', ignore).once('close', () => this.#leave(newcomer));
    this.#unread.add(newcomer.site, newcomer);
  }

  #listen(newcomer: Newcomer): void {
    if (!this.#waiting.has(newcomer)) return;
    const { socket, site } = newcomer;
    newcomer.silence = setTimeout(() => socket.destroy(), this.#silenceMs);
    // An end after a request is HTTP's.
    socket.once('end', destroy);
    // What was read stays in the socket.
    socket.once('readable', () => {
      clearTimeout(newcomer.silence);
      this.#asking.add(site, newcomer);
    });
  }

  #take(newcomer: Newcomer): void {
    if (!this.#leave(newcomer)) return;
    newcomer.socket.off('end', destroy).removeAllListeners('readable');
    newcomer.take();
    newcomer.socket.off('error', ignore);
  }

  /** Whether it waited until now. */
  #leave(newcomer: Newcomer): boolean {
    clearTimeout(newcomer.silence);
    return this.#waiting.delete(newcomer);
  }
}

function siteOfPeer(socket: Socket): string {
  return siteOf(parseAddress(socket.remoteAddress ?? ''));
}

function ignore(): void {}

function destroy(this: Socket): void {
  this.destroy();
}
