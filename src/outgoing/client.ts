/**
 * GET requests to URLs that customers named, over kept-alive connections to checked addresses. Never follows a
 * redirect, never reads more than a bounded body, never waits past the time-out: one sweep serves all requests,
 * since a timer and an AbortSignal for each cost more than the request.
 */
import type net from 'node:net';
import { Client } from 'undici';
import { type AddressRules, portOf } from './address-rules.ts';
import { type CheckedConnectOptions, checkedConnect, type Target } from './checked-connect.ts';
import { Exchange, type Outcome, outcomeOfError } from './exchange.ts';
import type { Lookup } from './name-lookup.ts';
import { customersNames } from './name-servers.ts';

const CONNECTIONS_PER_ORIGIN = 64;
const MAX_CONNECTIONS = 1_024;
const MAX_WAITING_PER_ORIGIN = 1_000;
/** Below the five seconds after which Apache and Node close idle connections. */
const IDLE_CLOSE_MS = 4_000;
/** How late a time-out may come. */
const SWEEP_MS = 200;
const HEADERS = ['user-agent', 'Feige', 'accept', '*/*'];

export interface OutgoingClientOptions {
  readonly rules: AddressRules;
  readonly connectionsPerOrigin?: number;
  /** Open connections to all origins together. */
  readonly maxConnections?: number;
  /** How names become addresses; the system's resolver by default. */
  readonly lookup?: Lookup;
  /** PEM certificates trusted instead of the well-known authorities. */
  readonly ca?: string;
}

interface Connection {
  readonly client: Client;
  readonly origin: Origin;
  socket: net.Socket | undefined;
  exchange: Exchange | undefined;
  /** It has carried a complete exchange, so the peer may be closing it by now. */
  served: boolean;
}

interface Origin {
  readonly key: string;
  readonly target: Target;
  readonly connections: Set<Connection>;
  readonly idle: Connection[];
  readonly waiting: Exchange[];
  lastUsedMs: number;
}

export class OutgoingClient {
  readonly #connect: CheckedConnectOptions;
  readonly #connectionsPerOrigin: number;
  readonly #maxConnections: number;
  readonly #origins = new Map<string, Origin>();
  #connectionCount = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: OutgoingClientOptions) {
    this.#connect = {
      rules: options.rules,
      names: customersNames(options.lookup),
      ...(options.ca !== undefined && { ca: options.ca }),
    };
    this.#connectionsPerOrigin = options.connectionsPerOrigin ?? CONNECTIONS_PER_ORIGIN;
    this.#maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  }

  /** Asks `url` (absolute, http or https) and tells the status of the answer, or why there is none. Never throws. */
  get(url: string, options: { timeoutMs: number }): Promise<Outcome> {
    return new Promise((resolve) => this.send(url, options.timeoutMs, resolve));
  }

  /**
   * `get` for those who send thousands a second: `settled` is called once, and may send the next request over
   * the connection that has just become free.
   */
  send(url: string, timeoutMs: number, settled: (outcome: Outcome) => void): void {
    if (this.#stopped) {
      settled({ kind: 'failed', reason: 'stopping' });
      return;
    }
    const parsed = URL.parse(url);
    if (!parsed || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
      settled({ kind: 'failed', reason: 'not an http or https URL' });
      return;
    }
    const origin = this.#originOf(parsed);
    const nowMs = performance.now();
    origin.lastUsedMs = nowMs;
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
    const exchange = new Exchange(parsed.pathname + parsed.search, nowMs + timeoutMs, settled);
    const connection = origin.idle.pop() ?? this.#open(origin);
    if (connection) {
      this.#start(connection, exchange);
    } else if (origin.connections.size > 0 && origin.waiting.length < MAX_WAITING_PER_ORIGIN) {
      origin.waiting.push(exchange);
    } else {
      this.#forgetIfUnused(origin);
      settled({ kind: 'failed', reason: 'too many requests at once' });
    }
  }

  /** Ends every request that is under way as failed and closes all connections. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#sweeper);
    const closing: Promise<void>[] = [];
    for (const origin of this.#origins.values()) {
      const waiting = origin.waiting.splice(0);
      for (const connection of origin.connections) closing.push(this.#close(connection, 'stopping'));
      for (const exchange of waiting) exchange.settled({ kind: 'failed', reason: 'stopping' });
    }
    this.#origins.clear();
    await Promise.all(closing);
  }

  #originOf(url: URL): Origin {
    const key = url.origin;
    const known = this.#origins.get(key);
    if (known) return known;
    const origin: Origin = {
      key,
      target: { hostname: url.hostname, port: portOf(url), secure: url.protocol === 'https:' },
      connections: new Set(),
      idle: [],
      waiting: [],
      lastUsedMs: 0,
    };
    this.#origins.set(key, origin);
    return origin;
  }

  /** A new connection; undefined when the origin, or all origins together, have as many as they may. */
  #open(origin: Origin): Connection | undefined {
    if (origin.connections.size >= this.#connectionsPerOrigin) return undefined;
    if (this.#connectionCount >= this.#maxConnections && !this.#closeLongestIdle()) return undefined;
    const connection: Connection = {
      origin,
      socket: undefined,
      exchange: undefined,
      served: false,
      client: new Client(origin.key, {
        connect: (_options, callback) => {
          connection.socket = checkedConnect(origin.target, this.#connect, (error, socket) =>
            socket ? callback(null, socket) : callback(error ?? new Error('no socket'), null),
          );
        },
        pipelining: 1,
        allowH2: false,
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: IDLE_CLOSE_MS,
        keepAliveMaxTimeout: IDLE_CLOSE_MS,
      }),
    };
    // The peer, or the idle time-out, closed it while nothing was under way.
    connection.client.on('disconnect', () => {
      if (!connection.exchange) void this.#close(connection, 'idle');
    });
    origin.connections.add(connection);
    this.#connectionCount += 1;
    return connection;
  }

  #start(connection: Connection, exchange: Exchange): void {
    connection.exchange = exchange;
    exchange.released = (reusable, error) => this.#released(connection, exchange, reusable, error);
    connection.client.dispatch({ method: 'GET', path: exchange.path, headers: HEADERS }, exchange);
  }

  #released(connection: Connection, exchange: Exchange, reusable: boolean, error: Error | undefined): void {
    const { origin } = connection;
    connection.exchange = undefined;
    if (reusable) {
      connection.served = true;
      const next = origin.waiting.shift();
      // Started before undici looks for more work on this socket: saves a turn of the event loop.
      if (next) this.#start(connection, next);
      else origin.idle.push(connection);
    } else {
      void this.#close(connection, 'broken');
      if (error && connection.served && exchange.isStale(error) && this.#resend(origin, exchange)) return;
      this.#serveWaiting(origin);
    }
    if (exchange.status > 0) exchange.settled({ kind: 'answered', status: exchange.status });
    else exchange.settled(outcomeOfError(error));
  }

  #resend(origin: Origin, exchange: Exchange): boolean {
    if (this.#stopped) return false;
    const connection = this.#open(origin);
    if (!connection) return false;
    this.#origins.set(origin.key, origin);
    exchange.retry();
    this.#start(connection, exchange);
    return true;
  }

  #serveWaiting(origin: Origin): void {
    if (this.#stopped || origin.waiting.length === 0) return;
    const connection = this.#open(origin);
    const next = connection && origin.waiting.shift();
    if (connection && next) {
      this.#origins.set(origin.key, origin);
      this.#start(connection, next);
    } else if (origin.connections.size === 0) {
      for (const exchange of origin.waiting.splice(0)) {
        exchange.settled({ kind: 'failed', reason: 'too many requests at once' });
      }
    }
  }

  /** Closes a connection; a request still on it fails with `reason`. */
  async #close(connection: Connection, reason: string): Promise<void> {
    const { origin, client, socket, exchange } = connection;
    if (!origin.connections.delete(connection)) return;
    this.#connectionCount -= 1;
    const at = origin.idle.indexOf(connection);
    if (at >= 0) origin.idle.splice(at, 1);
    this.#forgetIfUnused(origin);
    exchange?.onResponseError(null, new Error(reason));
    socket?.destroy();
    await client.destroy();
  }

  #forgetIfUnused(origin: Origin): void {
    if (origin.connections.size === 0 && origin.waiting.length === 0) this.#origins.delete(origin.key);
  }

  #closeLongestIdle(): boolean {
    let longest: Origin | undefined;
    for (const origin of this.#origins.values()) {
      if (origin.idle.length > 0 && (!longest || origin.lastUsedMs < longest.lastUsedMs)) longest = origin;
    }
    const connection = longest?.idle[0];
    if (!connection) return false;
    void this.#close(connection, 'idle');
    return true;
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const origin of this.#origins.values()) {
      const overdue = origin.waiting.filter((exchange) => exchange.deadlineMs <= nowMs);
      for (const exchange of overdue) {
        origin.waiting.splice(origin.waiting.indexOf(exchange), 1);
        exchange.settled({ kind: 'failed', reason: 'timed out' });
      }
      for (const connection of origin.connections) {
        const deadlineMs = connection.exchange?.deadlineMs;
        if (deadlineMs !== undefined && deadlineMs <= nowMs) void this.#close(connection, 'timed out');
      }
    }
    if (this.#origins.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }
}
