/**
 * Paces connections from addresses that have not yet sent a request with a right password. They wait here, unread,
 * until their turn: only a few may be open that have not asked anything. Otherwise someone who opens 1,500 connections
 * at once, to guess passwords for example, would have all their first requests read in one go while everybody else
 * waits. Addresses take turns. Once a client at an address was verified, connections from that address no longer wait.
 */
import type { Server, Socket } from 'node:net';
import { parseAddress, siteOf } from './client-address.ts';
import { RecentMap } from './recent-map.ts';

/**
 * With 1,500 connections opened at once, the other clients' p99 is 20 ms; with a bound of 16, 40 ms; without one, 200
 * ms.
 */
const MAX_UNHEARD = 4;
/** A connection that has asked nothing by then gives its place to the next: a round trip across a continent. */
const HEARD_WITHIN_MS = 100;
/** Connections that waited this long are let in without a place, a few at a time, however many others keep silent. */
const MAX_WAIT_MS = 1_000;
const MAX_OVERDUE_TAKEN = 64;
const MAX_KNOWN_SITES = 50_000;

type Listener = (socket: Socket) => void;

interface Newcomer {
  readonly socket: Socket;
  /** On the monotonic clock. */
  readonly sinceMs: number;
  /** Lets HTTP, or TLS, have the connection. */
  readonly take: () => void;
}

export class Newcomers {
  /** Addresses in the order of their turns. */
  readonly #waiting = new Map<string, Newcomer[]>();
  /** Connections that were let in and have asked nothing so far. */
  readonly #unheard = new Map<string, NodeJS.Timeout>();
  readonly #knownSites = new RecentMap<true>(MAX_KNOWN_SITES);
  readonly #verified = new WeakSet<Socket>();
  readonly #heardWithinMs: number;
  readonly #now: () => number;
  #isOpen = false;

  /** Only tests give a time and a clock. */
  constructor(options: { heardWithinMs?: number; now?: () => number } = {}) {
    this.#heardWithinMs = options.heardWithinMs ?? HEARD_WITHIN_MS;
    this.#now = options.now ?? ((): number => performance.now());
  }

  /**
   * Call it last, before `server` listens: its 'connection' listeners of that moment get each connection in its turn.
   */
  guard(server: Server): void {
    const takers = server.listeners('connection') as Listener[];
    server.removeAllListeners('connection');
    // Nothing is read of a connection before it is taken.
    Object.assign(server, { pauseOnConnect: true });
    server.on('connection', (socket: Socket) => {
      const take = (): void => {
        for (const taker of takers) taker.call(server, socket);
        socket.resume();
      };
      this.#arrived({ socket, sinceMs: this.#now(), take });
    });
  }

  /** Something was asked on this connection. */
  heard(socket: Socket): void {
    if (this.#unheard.size > 0) this.#leavePlace(endpointOf(socket));
  }

  /** A client was verified on this connection: others from its address no longer wait. */
  verified(socket: Socket): void {
    if (this.#verified.has(socket)) return;
    this.#verified.add(socket);
    const site = siteOfPeer(socket);
    this.#knownSites.set(site, true);
    const waiting = this.#waiting.get(site) ?? [];
    this.#waiting.delete(site);
    for (const { take } of waiting) take();
  }

  /** Lets in all that wait; from now on no connection waits. */
  open(): void {
    this.#isOpen = true;
    const waiting = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const { take } of waiting) take();
  }

  #arrived(newcomer: Newcomer): void {
    const site = siteOfPeer(newcomer.socket);
    if (this.#isOpen || this.#knownSites.get(site) === true) {
      newcomer.take();
      return;
    }
    const ofSite = this.#waiting.get(site);
    if (ofSite === undefined) this.#waiting.set(site, [newcomer]);
    else ofSite.push(newcomer);
    this.#takeNext();
  }

  #takeNext(): void {
    let overdue = 0;
    for (const [site, newcomers] of this.#waiting) {
      const [first] = newcomers;
      if (first === undefined) continue;
      if (this.#unheard.size >= MAX_UNHEARD) {
        const isOverdue = this.#now() - first.sinceMs >= MAX_WAIT_MS;
        if (!isOverdue || ++overdue > MAX_OVERDUE_TAKEN) return;
      }
      newcomers.shift();
      // Its next one comes after those of all the others.
      this.#waiting.delete(site);
      if (newcomers.length > 0) this.#waiting.set(site, newcomers);
      this.#givePlace(first.socket);
      first.take();
    }
  }

  #givePlace(socket: Socket): void {
    const endpoint = endpointOf(socket);
    const leave = (): void => this.#leavePlace(endpoint);
    this.#unheard.set(endpoint, setTimeout(leave, this.#heardWithinMs));
    socket.once('close', leave);
  }

  #leavePlace(endpoint: string): void {
    const timer = this.#unheard.get(endpoint);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#unheard.delete(endpoint);
    this.#takeNext();
  }
}

function siteOfPeer(socket: Socket): string {
  return siteOf(parseAddress(socket.remoteAddress ?? ''));
}

/** The same for a TLS connection and the one below it. */
function endpointOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
