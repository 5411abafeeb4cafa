/**
 * An SMPP 3.4 server (SMSC): listens, has binds judged by the caller, takes submits, sends deliveries. It bounds its
 * connections and closes them all when it is closed.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Reception, type SmppServerDependencies } from './reception.ts';

export type { BindRequest, SmppServerDependencies, SmppServerHandlers } from './reception.ts';
export type { ServerSession, SessionHandlers } from './server-session.ts';

const MAX_CONNECTIONS = 1000;

export class SmppServer {
  readonly #dependencies: SmppServerDependencies;
  readonly #receptions = new Set<Reception>();
  /** Every raw socket, those in the middle of a TLS handshake too. */
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(dependencies: SmppServerDependencies) {
    this.#dependencies = dependencies;
  }

  /** Port 0 takes a free one. Rejects with the system's error when it can't listen. */
  async listen(where: {
    host: string;
    port: number;
    tls?: { key: string | Buffer; cert: string | Buffer };
  }): Promise<{ port: number }> {
    const accept = (socket: Socket): void => {
      const reception = new Reception(socket, this.#dependencies, (gone) => this.#receptions.delete(gone));
      this.#receptions.add(reception);
    };
    const { tls } = where;
    const server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.listen({ host: where.host, port: where.port });
    await once(server, 'listening');
    // Too many open files fails one accept, not the process.
    server.on('error', (error) => this.#dependencies.handlers.onFault?.(error));
    this.#server = server;
    const address = server.address();
    return { port: address !== null && typeof address === 'object' ? address.port : where.port };
  }

  /** Stops listening and closes every session gracefully (bounded); resolves when all sockets are gone. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    await Promise.all([...this.#receptions].map(({ connection }) => connection.close('server closes')));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
