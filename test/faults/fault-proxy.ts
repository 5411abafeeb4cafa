/**
 * A TCP proxy whose line can be cut, go silent without a word (half-open) or become slow, at any moment and for
 * connections that are open as well as for new ones. What passes can be read and changed by a splice.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export type LineState = { kind: 'open' } | { kind: 'closed' } | { kind: 'silent' } | { kind: 'slow'; delayMs: number };

/** What a splice may do with its connection. */
export interface SplicedLine {
  /** Neither end has gone. */
  readonly isOpen: boolean;
  toServer(bytes: Buffer): void;
  toClient(bytes: Buffer): void;
  /** Both ends see a reset. */
  cut(): void;
}

/** Stands in a connection and decides what goes on. */
export interface Splice {
  fromClient(bytes: Buffer): void;
  fromServer(bytes: Buffer): void;
  /** Of the connection, however it came. */
  ended?(): void;
}

const SLOW_CHUNK_BYTES = 1_460;
/** While nobody listened, the port may have become the near end of somebody's connection. */
const PORT_IS_TAKEN = 'EADDRINUSE';
const LISTEN_ATTEMPTS = 100;
const LISTEN_PAUSE_MS = 50;

export class FaultProxy {
  readonly #server: Server;
  readonly #splice: ((line: SplicedLine) => Splice) | undefined;
  readonly #lines = new Set<ProxiedLine>();
  #target: { host: string; port: number };
  #state: LineState = { kind: 'open' };
  #met = 0;
  #port = 0;

  constructor(target: { host: string; port: number }, splice?: (line: SplicedLine) => Splice) {
    this.#target = target;
    this.#splice = splice;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** On a port of the system's choice; after `refuse` on the one it had. */
  async listen(): Promise<number> {
    for (let attempt = 1; !this.#server.listening; attempt += 1) {
      try {
        this.#server.listen(this.#port, '127.0.0.1');
        await once(this.#server, 'listening');
      } catch (error) {
        const isTaken = error instanceof Error && 'code' in error && error.code === PORT_IS_TAKEN;
        if (!isTaken || attempt === LISTEN_ATTEMPTS) throw error;
        await pause(LISTEN_PAUSE_MS);
      }
    }
    this.#port = (this.#server.address() as AddressInfo).port;
    return this.#port;
  }

  get port(): number {
    return this.#port;
  }

  /** Whoever connects is refused, as where nobody listens: it knows that nothing of it arrived. Until `listen`. */
  refuse(): void {
    this.#server.close();
  }

  /** Whether an open connection lost something while the line was silent. */
  get hasSwallowed(): boolean {
    return [...this.#lines].some((line) => line.lostBytes);
  }

  /** How often something was cut, refused, swallowed or held up: a fault without any of it was none. */
  get met(): number {
    return this.#met;
  }

  /** For connections from now on. */
  aimAt(target: { host: string; port: number }): void {
    this.#target = target;
  }

  /** `open` ends what went silent: a peer that comes back after a silence knows nothing of the connection. */
  setState(state: LineState): void {
    this.#state = state;
    for (const line of this.#lines) {
      if (state.kind === 'closed') this.#met += 1;
      if (state.kind === 'closed' || (state.kind === 'open' && line.lostBytes)) line.cut();
    }
  }

  cutAll(): void {
    for (const line of this.#lines) line.cut();
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    if (this.#state.kind === 'closed') {
      this.#met += 1;
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const line = new ProxiedLine({
      client,
      target: this.#target,
      state: () => this.#state,
      splice: this.#splice,
      onMet: () => (this.#met += 1),
      onEnd: () => this.#lines.delete(line),
    });
    this.#lines.add(line);
  }
}

interface LineOptions {
  client: Socket;
  target: { host: string; port: number };
  state: () => LineState;
  splice: ((line: SplicedLine) => Splice) | undefined;
  /** Bytes were swallowed or held up. */
  onMet: () => void;
  onEnd: () => void;
}

class ProxiedLine implements SplicedLine {
  /** Something was swallowed: the streams of the two ends do not agree any more. */
  lostBytes = false;
  readonly #options: LineOptions;
  readonly #up: DelayedWriter;
  readonly #down: DelayedWriter;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #splice: Splice | undefined;
  #ended = false;

  constructor(options: LineOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#server = connect({ ...options.target, noDelay: true, allowHalfOpen: true });
    this.#up = new DelayedWriter(this.#client, this.#server);
    this.#down = new DelayedWriter(this.#server, this.#client);
    const splice = options.splice?.(this);
    this.#splice = splice;
    this.#client.on('data', (bytes: Buffer) => {
      if (this.#swallows()) return;
      if (splice) splice.fromClient(bytes);
      else this.toServer(bytes);
    });
    this.#server.on('data', (bytes: Buffer) => {
      if (this.#swallows()) return;
      if (splice) splice.fromServer(bytes);
      else this.toClient(bytes);
    });
    this.#watch(this.#client, this.#up);
    this.#watch(this.#server, this.#down);
  }

  get isOpen(): boolean {
    return !this.#ended && !this.#client.destroyed && !this.#server.destroyed;
  }

  toServer(bytes: Buffer): void {
    this.#pass(this.#up, bytes);
  }

  toClient(bytes: Buffer): void {
    this.#pass(this.#down, bytes);
  }

  cut(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#up.stop();
    this.#down.stop();
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
    this.#splice?.ended?.();
    this.#options.onEnd();
  }

  #pass(onwards: DelayedWriter, bytes: Buffer): void {
    const state = this.#options.state();
    if (state.kind === 'slow') this.#options.onMet();
    onwards.write(bytes, state);
  }

  #swallows(): boolean {
    if (this.#options.state().kind !== 'silent') return false;
    this.#options.onMet();
    this.lostBytes = true;
    return true;
  }

  #watch(socket: Socket, onwards: DelayedWriter): void {
    socket.on('end', () => {
      if (!this.#swallows()) onwards.end(this.#options.state());
    });
    socket.on('error', () => {
      if (!this.#swallows()) this.cut();
    });
    socket.on('close', () => {
      if (!this.#swallows() && this.#client.destroyed && this.#server.destroyed) this.cut();
    });
  }
}

/** One direction: in order, each chunk after its delay; the source waits while the destination is full. */
class DelayedWriter {
  readonly #from: Socket;
  readonly #to: Socket;
  #last: Promise<void> | undefined;
  #stopped = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
  }

  write(bytes: Buffer, state: LineState): void {
    if (state.kind !== 'slow' && this.#last === undefined) {
      this.#deliver(bytes);
      return;
    }
    const delayMs = state.kind === 'slow' ? state.delayMs : 0;
    for (let at = 0; at < bytes.length; at += SLOW_CHUNK_BYTES) {
      const part = bytes.subarray(at, at + SLOW_CHUNK_BYTES);
      this.#after(at === 0 ? delayMs : 0, () => this.#deliver(part));
    }
  }

  end(state: LineState): void {
    this.#after(state.kind === 'slow' ? state.delayMs : 0, () => this.#to.end());
  }

  stop(): void {
    this.#stopped = true;
  }

  /** A chunk's delay begins when it came, so that a slow line has a latency and no lower rate. */
  #after(delayMs: number, run: () => void): void {
    const due = delayMs === 0 ? undefined : new Promise<void>((resolve) => setTimeout(resolve, delayMs).unref());
    const turn = (this.#last ?? Promise.resolve()).then(() => due).then(() => (this.#stopped ? undefined : run()));
    this.#last = turn;
    void turn.then(() => {
      if (this.#last === turn) this.#last = undefined;
    });
  }

  #deliver(bytes: Buffer): void {
    if (this.#to.destroyed || this.#to.write(bytes) || this.#from.isPaused()) return;
    this.#from.pause();
    this.#to.once('drain', () => this.#from.resume());
  }
}
