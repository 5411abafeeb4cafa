/**
 * The platform's HTTP and HTTPS listeners before one set of routes. Slow, broken and oversized requests end in bounded
 * time. Stopping takes no new requests, lets those in flight end, and is over after a bounded time in any case.
 */
import { createServer, type IncomingMessage, type Server, type ServerOptions } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '../base/log.ts';
import { createApplication, type RequestHandler } from './application.ts';
import { MAX_CONNECTIONS } from './connection-bound.ts';
import { hasSeveralHosts } from './host-header.ts';
import { Newcomers } from './newcomers.ts';
import { acceptRawUrls, noteResponses } from './raw-url.ts';
import { isHttp1, toOriginForm } from './request-line.ts';
import type { Certificate } from './self-signed.ts';
import type { HttpServices } from './services.ts';

/** A GET with 765 characters of Big5 encoded twice (about 7,700 bytes) and a drurl of 2,000 fits well. */
const MAX_HEADER_BYTES = 65_536;
const HEADERS_TIMEOUT_MS = 20_000;
const REQUEST_TIMEOUT_MS = 30_000;
const TIMEOUT_CHECK_PERIOD_MS = 2_000;
/**
 * Longer than the usual 60 s of proxies, so that the proxy closes idle connections, and never we while it sends a
 * request.
 */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
const BAD_REQUEST = 400;
const VERSION_NOT_SUPPORTED = 505;
const NO_TUNNEL =
  'HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, POST\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
const LISTEN_BACKLOG = 1_024;
/** Requests in flight have this long when the server stops. */
const STOP_PATIENCE_MS = 5_000;
const IDLE_SWEEP_PERIOD_MS = 20;

const OPTIONS: ServerOptions = {
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  connectionsCheckingInterval: TIMEOUT_CHECK_PERIOD_MS,
  keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  noDelay: true,
};

export interface ListenerAddress {
  scheme: 'http' | 'https';
  address: string;
  port: number;
}

export class HttpServer {
  readonly #log: Logger;
  readonly #maxConnections: number;
  readonly #handler: Promise<RequestHandler>;
  readonly #newcomers = new Newcomers();
  readonly #listeners: { scheme: 'http' | 'https'; server: Server | SecureServer }[] = [];
  readonly #refused = new WeakSet<Socket>();
  #stopping = false;

  constructor(services: HttpServices) {
    this.#log = services.log;
    this.#maxConnections = services.config.maxConnections ?? MAX_CONNECTIONS;
    this.#handler = createApplication(services, {
      isStopping: () => this.#stopping,
      onVerified: (socket) => this.#newcomers.verified(socket),
    });
  }

  /** Port 0 takes any free one. Rejects when the port cannot be had. */
  async listenHttp(where: { host: string; port: number }): Promise<void> {
    const server = createServer(OPTIONS, await this.#listener());
    acceptRawUrls(server, { event: 'connection', maxLineBytes: MAX_HEADER_BYTES });
    this.#newcomers.guard(server);
    await this.#listen('http', server, where);
  }

  async listenHttps(where: { host: string; port: number; tls: Certificate }): Promise<void> {
    const options = { ...OPTIONS, ...where.tls, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS };
    const server = createSecureServer(options, await this.#listener());
    acceptRawUrls(server, { event: 'secureConnection', maxLineBytes: MAX_HEADER_BYTES });
    this.#newcomers.guard(server);
    await this.#listen('https', server, where);
  }

  /** Where it listens, with the ports that were taken. */
  addresses(): ListenerAddress[] {
    return this.#listeners.flatMap(({ scheme, server }) => {
      const bound = server.address() as AddressInfo | null;
      return bound === null ? [] : [{ scheme, address: bound.address, port: bound.port }];
    });
  }

  /** From now on `/readyz` says 503, and connections end with their answers; requests are still taken. */
  announceStop(): void {
    this.#stopping = true;
  }

  /** Resolves when every connection is closed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#newcomers.open();
    await Promise.all(this.#listeners.map(({ server }) => close(server)));
  }

  async #listener(): Promise<RequestHandler> {
    const handle = await this.#handler;
    return noteResponses((request, response) => {
      // A proxy may take what follows such a request for a part of it, so the connection ends with the refusal.
      if (this.#refused.has(request.socket)) return;
      const refusal = refusalOf(request);
      if (refusal !== undefined) {
        this.#refused.add(request.socket);
        response.writeHead(refusal, { Connection: 'close', 'Content-Length': '0' }).end();
        return;
      }
      toOriginForm(request);
      if (this.#stopping) response.setHeader('Connection', 'close');
      handle(request, response);
    });
  }

  async #listen(
    scheme: 'http' | 'https',
    server: Server | SecureServer,
    where: { host: string; port: number },
  ): Promise<void> {
    server.maxConnections = this.#maxConnections;
    // A client may end its side right after the request (RFC 9112 §9.6). By Node's default its message would be charged
    // and sent, but the answer never written.
    Object.assign(server, { httpAllowHalfOpen: true });
    // Node closes the connection without a word otherwise.
    server.on('connect', (_request: IncomingMessage, socket: Duplex) => socket.end(NO_TUNNEL));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host: where.host, port: where.port, backlog: LISTEN_BACKLOG }, () => {
      server.off('error', reject);
      // A connection that could not be taken, for want of file descriptors for instance, is not the server's end.
      server.on('error', (error) => this.#log.warn({ err: error }, 'a connection could not be taken'));
      resolve();
    });
    await promise;
    this.#listeners.push({ scheme, server });
  }
}

/** The server on which main's platform answers. */
export function createHttpServer(services: HttpServices): HttpServer {
  return new HttpServer(services);
}

/** The status of a request that no route may see. */
function refusalOf(request: IncomingMessage): number | undefined {
  if (!isHttp1(request)) return VERSION_NOT_SUPPORTED;
  return hasSeveralHosts(request) ? BAD_REQUEST : undefined;
}

function close(server: Server | SecureServer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // Connections become idle one after the other, as their last answer leaves.
  const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_PERIOD_MS);
  const cut = setTimeout(() => server.closeAllConnections(), STOP_PATIENCE_MS);
  server.close(() => {
    clearInterval(sweep);
    clearTimeout(cut);
    resolve();
  });
  return promise;
}
