/**
 * Connections from addresses from which nobody has got in yet wait here, unread, until it is their turn: only so many
 * of them may be open without having asked anything. Somebody who opens 1,500 at once, to guess passwords or for
 * anything else, would otherwise have their first requests read in one go, and everybody else would wait for the end
 * of it. Addresses take turns; one from which a client was verified does not wait any more.
 */
import type { Server, Socket } from 'node:net';
import { parseAddress, siteOf } from './client-address.ts';
import { RecentMap } from './recent-map.ts';

/** Beside 1,500 connections opened at once the others have a p99 of 20 ms; with 16 of 40, without a bound of 200. */
const MAX_UNHEARD = 4;
/** A connection that asks nothing for so long leaves its place to the next: a round trip across a continent. */
const HEARD_WITHIN_MS = 100;
/** However many keep silent, nobody waits much longer: then so many at a time are taken without a place. */
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
  /** Taken, and nothing was asked on them so far. */
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

  /** Call it last, before `server` listens: whoever listens for its connections so far gets them in their turn. */
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

  /** Somebody got in on this connection: those from its address wait no longer. */
  verified(socket: Socket): void {
    if (this.#verified.has(socket)) return;
    this.#verified.add(socket);
    const site = siteOfPeer(socket);
    this.#knownSites.set(site, true);
    const waiting = this.#waiting.get(site) ?? [];
    this.#waiting.delete(site);
    for (const { take } of waiting) take();
  }

  /** Nobody waits any longer, nor from now on. */
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
