/**
 * The sockets of a SIP endpoint: one for UDP, listeners for TCP and TLS, connections to peers that are shared by all
 * calls. Everything is bounded and closed by `stop`. It reads no SIP.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect as connectTcp, createServer, isIP, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { Logger } from '../base/log.ts';
import { socketFault, tlsClientOptions } from '../base/tls-client.ts';
import type { Flow, FlowHandlers, FlowTarget } from './flow.ts';
import { IncomingConnections } from './incoming-connections.ts';
import { plainAddress } from './ip-address.ts';
import { LocalAddresses } from './local-addresses.ts';
import { PeerNames } from './peer-names.ts';
import { StreamFlow } from './stream-flow.ts';

export type { Flow, FlowTarget } from './flow.ts';

export interface Bind {
  /** An IP address; `0.0.0.0` and `::` listen everywhere. */
  address: string;
  /** 0 takes a free port; without it there is no UDP. */
  udpPort?: number;
  /** Without it nobody can connect; calls over TCP still work, and the peer's requests come back on our connection. */
  tcpPort?: number;
  tlsPort?: number;
  /** PEM; needed for `tlsPort`. */
  tls?: { key: string | Buffer; cert: string | Buffer };
}

export interface BoundPorts {
  udpPort: number | undefined;
  tcpPort: number | undefined;
  tlsPort: number | undefined;
}

export interface TransportDependencies {
  bind: Bind;
  /** What Via and Contact say, behind a NAT with ports kept. */
  publicAddress?: string | undefined;
  handlers: FlowHandlers;
  log: Logger;
}

const MAX_OUTGOING_CONNECTIONS = 256;
const UDP_BUFFER_BYTES = 1_048_576;
/** Datagrams that wait for the system; more are dropped, as a full network would. */
const MAX_UDP_QUEUE_BYTES = 4_194_304;

export class SipTransport {
  readonly #dependencies: TransportDependencies;
  readonly #addresses: LocalAddresses;
  readonly #names: PeerNames;
  readonly #incoming = new IncomingConnections();
  readonly #servers: Server[] = [];
  /** Raw sockets too, those in the middle of a TLS handshake included. */
  readonly #sockets = new Set<Socket>();
  readonly #outgoing = new Map<string, Promise<StreamFlow>>();
  #udp: UdpSocket | undefined;
  #ports: BoundPorts = { udpPort: undefined, tcpPort: undefined, tlsPort: undefined };
  #stopped = false;

  constructor(dependencies: TransportDependencies) {
    this.#dependencies = dependencies;
    const { bind, publicAddress } = dependencies;
    this.#addresses = new LocalAddresses(bind.address, publicAddress);
    this.#names = new PeerNames(isIP(bind.address) === 6 ? 6 : 4);
  }

  /** Rejects with the system's error when a port is taken, and when TLS is wanted without a certificate. */
  async start(): Promise<BoundPorts> {
    const { bind } = this.#dependencies;
    if (bind.tlsPort !== undefined && bind.tls === undefined) throw new Error('SIP over TLS needs a certificate');
    try {
      const udpPort = bind.udpPort === undefined ? undefined : await this.#listenUdp(bind.udpPort);
      const tcpPort = bind.tcpPort === undefined ? undefined : await this.#listen('tcp', bind.tcpPort);
      const tlsPort = bind.tlsPort === undefined ? undefined : await this.#listen('tls', bind.tlsPort);
      this.#ports = { udpPort, tcpPort, tlsPort };
    } catch (error) {
      await this.stop();
      throw error;
    }
    return this.#ports;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const closing = this.#servers.splice(0).map(async (server) => {
      const closed = once(server, 'close');
      server.close();
      await closed;
    });
    for (const socket of this.#sockets) socket.destroy();
    const udp = this.#udp;
    this.#udp = undefined;
    if (udp !== undefined) {
      const closed = once(udp, 'close');
      udp.close();
      closing.push(closed.then(() => undefined));
    }
    await Promise.all(closing);
  }

  /** A way to the target; connections are shared. Rejects when it can't be reached within the time. */
  async connect(target: FlowTarget, timeoutMs: number): Promise<Flow> {
    if (this.#stopped) throw new Error('stopped');
    const { transport, host, port } = target;
    if (transport === 'udp') {
      const address = await this.#names.resolve(host, timeoutMs);
      this.#incoming.know(address);
      return this.udpFlow({ address, port }, host);
    }
    const key = JSON.stringify([transport, host.toLowerCase(), port, target.tls ?? null]);
    const shared = this.#outgoing.get(key);
    if (shared !== undefined) return shared;
    if (this.#outgoing.size >= MAX_OUTGOING_CONNECTIONS) throw new Error('too many connections');
    const opening = this.#open(transport, target, timeoutMs, () => this.#outgoing.delete(key));
    this.#outgoing.set(key, opening);
    opening.catch(() => this.#outgoing.delete(key));
    return opening;
  }

  /** The UDP socket and this peer. */
  udpFlow(remote: { address: string; port: number }, host: string = remote.address): Flow {
    const local = { address: this.#addresses.towards(remote.address), port: this.#ports.udpPort ?? 0 };
    const send = (bytes: Buffer, failed: (reason: string) => void): void => this.#sendUdp(bytes, remote, failed);
    const towards = (port: number): Flow => this.udpFlow({ address: remote.address, port }, host);
    return { transport: 'udp', reliable: false, host, remote, local, open: true, send, towards };
  }

  #sendUdp(bytes: Buffer, remote: { address: string; port: number }, failed: (reason: string) => void): void {
    const udp = this.#udp;
    if (udp === undefined) {
      failed('no UDP socket');
      return;
    }
    if (udp.getSendQueueSize() > MAX_UDP_QUEUE_BYTES) return;
    try {
      udp.send(bytes, remote.port, remote.address, (error) => {
        if (error !== null) failed(error.message);
      });
    } catch (error) {
      failed(error instanceof Error ? error.message : String(error));
    }
  }

  async #listenUdp(port: number): Promise<number> {
    const { bind, handlers, log } = this.#dependencies;
    const udp = createSocket({ type: isIP(bind.address) === 6 ? 'udp6' : 'udp4', recvBufferSize: UDP_BUFFER_BYTES });
    this.#udp = udp;
    udp.bind(port, bind.address);
    await once(udp, 'listening');
    udp.on('error', (error) => log.warn({ err: error }, 'SIP UDP socket'));
    udp.on('message', (bytes, from) => {
      if (from.port !== 0) handlers.onBytes(bytes, this.udpFlow({ address: from.address, port: from.port }));
    });
    return udp.address().port;
  }

  async #listen(transport: 'tcp' | 'tls', port: number): Promise<number> {
    const { bind, handlers, log } = this.#dependencies;
    const noted: FlowHandlers = {
      onBytes: (bytes, flow) => {
        this.#incoming.heard(transport, flow.remote);
        handlers.onBytes(bytes, flow);
      },
      onClosed: (flow, reason) => handlers.onClosed(flow, reason),
    };
    const accept = (socket: Socket): void => {
      const host = plainAddress(socket.remoteAddress ?? '');
      const local = this.#localOf(socket, transport);
      this.#keep(socket);
      new StreamFlow({ socket, transport, host, local, outgoing: false, handlers: noted });
    };
    const server = transport === 'tcp' ? createServer(accept) : createTlsServer({ ...bind.tls }, accept);
    const takers = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    // Nothing is read of a connection, nor a TLS handshake begun, before it has a place.
    server.on('connection', (socket: Socket) => {
      this.#keep(socket);
      this.#incoming.admit(transport, socket);
      if (!socket.destroyed) for (const taker of takers) taker.call(server, socket);
    });
    server.listen({ host: bind.address, port });
    await once(server, 'listening');
    server.on('error', (error) => log.warn({ err: error }, 'SIP listener'));
    this.#servers.push(server);
    const address = server.address();
    return address !== null && typeof address === 'object' ? address.port : port;
  }

  async #open(
    transport: 'tcp' | 'tls',
    target: FlowTarget,
    timeoutMs: number,
    onClosed: () => void,
  ): Promise<StreamFlow> {
    const { handlers } = this.#dependencies;
    const signal = AbortSignal.timeout(timeoutMs);
    const address = await this.#names.resolve(target.host, timeoutMs);
    this.#incoming.know(address);
    if (this.#stopped) throw new Error('stopped');
    const socket =
      transport === 'tcp'
        ? connectTcp({ host: address, port: target.port })
        : connectTls({ ...tlsClientOptions(target.host, target.tls ?? {}), host: address, port: target.port });
    this.#keep(socket);
    try {
      await once(socket, transport === 'tcp' ? 'connect' : 'secureConnect', { signal });
    } catch (error) {
      socket.on('error', () => undefined);
      socket.destroy();
      throw new Error(signal.aborted ? 'connection timed out' : socketFault(error), { cause: error });
    }
    if (this.#stopped) throw new Error('stopped');
    return new StreamFlow({
      socket,
      transport,
      host: target.host,
      local: this.#localOf(socket, transport),
      outgoing: true,
      handlers: {
        onBytes: (bytes, flow) => handlers.onBytes(bytes, flow),
        onClosed: (flow, reason) => {
          onClosed();
          handlers.onClosed(flow, reason);
        },
      },
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // The error is that of a handshake that failed; an open connection has a listener of its own.
    socket.on('error', () => undefined);
  }

  /** The listener's port where there is one: the peer may open a connection of its own to it (§18.1.1). */
  #localOf(socket: Socket, transport: 'tcp' | 'tls'): { address: string; port: number } {
    const listening = transport === 'tcp' ? this.#ports.tcpPort : this.#ports.tlsPort;
    return {
      address: this.#addresses.towards(plainAddress(socket.remoteAddress ?? ''), socket.localAddress),
      port: listening ?? socket.localPort ?? 0,
    };
  }
}
