/**
 * One TCP or TLS connection that carries SIP: whole messages in, bytes out, keep-alives both ways. It closes itself on
 * broken framing, on a peer that does not read, and when it was idle for too long.
 */
import type { Socket } from 'node:net';
import { socketFault } from '../base/tls-client.ts';
import type { Flow, FlowHandlers } from './flow.ts';
import { plainAddress } from './ip-address.ts';
import { StreamFraming } from './stream-framing.ts';

export interface StreamFlowOptions {
  socket: Socket;
  transport: 'tcp' | 'tls';
  /** The name by which the peer was reached, its address for incoming connections. */
  host: string;
  local: { address: string; port: number };
  /** Whether we opened it: then we keep it alive. */
  outgoing: boolean;
  handlers: FlowHandlers;
}

/** What may wait for a peer that does not drain. */
const MAX_UNSENT_BYTES = 1_048_576;
const PING_MS = 30_000;
/** After this time, connections of others that stay silent are closed. */
const MAX_IDLE_MS = 600_000;
const PING = Buffer.from('\r\n\r\n');
const PONG = Buffer.from('\r\n');

export class StreamFlow implements Flow {
  readonly transport: 'tcp' | 'tls';
  readonly reliable = true;
  readonly host: string;
  readonly remote: { address: string; port: number };
  readonly local: { address: string; port: number };
  readonly #socket: Socket;
  readonly #handlers: FlowHandlers;
  readonly #framing = new StreamFraming();
  readonly #pinger: NodeJS.Timeout | undefined;
  #open = true;

  constructor(options: StreamFlowOptions) {
    const { socket } = options;
    this.transport = options.transport;
    this.host = options.host;
    this.local = options.local;
    this.remote = { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
    this.#socket = socket;
    this.#handlers = options.handlers;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, PING_MS);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.close('closed by peer'));
    socket.on('error', (error) => this.close(socketFault(error)));
    socket.on('close', () => this.close('closed by peer'));
    if (options.outgoing) {
      // RFC 5626 §3.5.1; a peer that does not know it ignores line ends between messages (§7.5).
      this.#pinger = setInterval(() => this.#write(PING), PING_MS).unref();
      // An idle connection alone keeps no process alive.
      socket.unref();
    } else {
      socket.setTimeout(MAX_IDLE_MS, () => this.close('idle'));
    }
  }

  get open(): boolean {
    return this.#open;
  }

  send(bytes: Buffer, failed: (reason: string) => void): void {
    if (!this.#open) failed('connection closed');
    else this.#write(bytes);
  }

  towards(): Flow {
    return this;
  }

  close(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    clearInterval(this.#pinger);
    this.#socket.destroy();
    this.#handlers.onClosed(this, reason);
  }

  #write(bytes: Buffer): void {
    this.#socket.write(bytes);
    if (this.#socket.writableLength > MAX_UNSENT_BYTES) this.close('peer does not read');
  }

  #onData(chunk: Buffer): void {
    if (!this.#open) return;
    const { messages, ping, broken } = this.#framing.feed(chunk);
    if (ping) this.#write(PONG);
    for (const message of messages) this.#handlers.onBytes(message, this);
    if (broken !== undefined) this.close(`broken framing: ${broken}`);
  }
}
