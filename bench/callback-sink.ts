/**
 * The customers' web servers: answers every callback with 200 and remembers whose it was, and serves the recording that
 * calls play. As cheap as a server can be, so that what is measured is the platform.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Instants, machineNowMs, recipientOf } from './instants.ts';
import { MsgidSet } from './msgid-set.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const END_OF_REQUEST = '\r\n\r\n';
/** In the percent-encoded JSON of `smsresp`, or as a parameter of its own. */
const MSGID = /(?:msgid%22%3A%22|[?&]msgid=)(\d+)/;
const MOBILE = /mobile%22%3A%22(\d+)%22/;
const PHONE = /[?&]phone=(\d+)/;
const RECORDING = 'GET /recording';
const MAX_REQUEST_CHARACTERS = 65_536;

export interface SinkPlan {
  /** Stands in every callback that is expected: a state. */
  readonly expected: string;
  /** The file at `/recording…`; absent: there is none. */
  readonly recording: Uint8Array | undefined;
  /** Note when which phone's callback came. */
  readonly notesArrivals: boolean;
}

/** Messages that were delivered. */
export const DELIVERED_MESSAGES: SinkPlan = { expected: '%22DELIVRD%22', recording: undefined, notesArrivals: false };

export interface Arrival {
  readonly phone: string;
  /** Of `machineNowMs`. */
  readonly atMs: number;
}

export class CallbackSink {
  /** Called back as expected. */
  readonly delivered = new MsgidSet();
  /** When each recipient's callback came. */
  readonly instants = new Instants();
  readonly arrivals: Arrival[] = [];
  readonly #plan: SinkPlan;
  readonly #servers: Server[] = [];
  readonly #recording: Buffer | undefined;
  /** Callbacks that told of something else, or came for the second time. */
  #unexpected = 0;

  constructor(plan: SinkPlan) {
    this.#plan = plan;
    const { recording } = plan;
    const head = `HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: ${recording?.length ?? 0}\r\n\r\n`;
    this.#recording = recording && Buffer.concat([Buffer.from(head), recording]);
  }

  get unexpected(): number {
    return this.#unexpected;
  }

  /** Listens on so many ports of the loopback and gives them. */
  async listen(ports: number): Promise<number[]> {
    const taken: number[] = [];
    for (let index = 0; index < ports; index++) {
      const server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      this.#servers.push(server);
      taken.push((server.address() as AddressInfo).port);
    }
    return taken;
  }

  #serve(socket: Socket): void {
    let received = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      for (let end = received.indexOf(END_OF_REQUEST); end >= 0; end = received.indexOf(END_OF_REQUEST)) {
        this.#answer(socket, received.slice(0, end));
        received = received.slice(end + END_OF_REQUEST.length);
      }
      if (received.length > MAX_REQUEST_CHARACTERS) socket.destroy();
    });
  }

  #answer(socket: Socket, request: string): void {
    if (this.#recording !== undefined && request.startsWith(RECORDING)) {
      socket.write(this.#recording);
      return;
    }
    this.#note(request);
    socket.write(OK, 'latin1');
  }

  #note(request: string): void {
    const msgid = MSGID.exec(request)?.[1];
    const { expected, notesArrivals } = this.#plan;
    const isNew = msgid !== undefined && request.includes(expected) && this.delivered.add(Number(msgid));
    if (isNew) this.instants.note(recipientOf(MOBILE.exec(request)?.[1] ?? ''), machineNowMs());
    if (!isNew) this.#unexpected++;
    else if (notesArrivals) this.arrivals.push({ phone: PHONE.exec(request)?.[1] ?? '', atMs: machineNowMs() });
  }
}
