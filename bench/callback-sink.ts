/**
 * The customers' web servers: answers every callback with 200 and remembers whose it was. As cheap as a server can
 * be, so that what is measured is the platform.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Instants, machineNowMs, recipientOf } from './instants.ts';
import { MsgidSet } from './msgid-set.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const END_OF_REQUEST = '\r\n\r\n';
/** In the percent-encoded JSON of `smsresp`. */
const MSGID = /msgid%22%3A%22(\d+)%22/;
const MOBILE = /mobile%22%3A%22(\d+)%22/;
const DELIVERED = '%22DELIVRD%22';
const MAX_REQUEST_CHARACTERS = 65_536;

export class CallbackSink {
  /** Called back with DELIVRD. */
  readonly delivered = new MsgidSet();
  /** When each recipient's callback came. */
  readonly instants = new Instants();
  readonly #servers: Server[] = [];
  /** Callbacks that told of something else, or came for the second time. */
  #unexpected = 0;

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
        this.#note(received.slice(0, end));
        received = received.slice(end + END_OF_REQUEST.length);
        socket.write(OK, 'latin1');
      }
      if (received.length > MAX_REQUEST_CHARACTERS) socket.destroy();
    });
  }

  #note(request: string): void {
    const msgid = MSGID.exec(request)?.[1];
    const isNew = msgid !== undefined && request.includes(DELIVERED) && this.delivered.add(Number(msgid));
    if (isNew) this.instants.note(recipientOf(MOBILE.exec(request)?.[1] ?? ''), machineNowMs());
    if (!isNew) this.#unexpected++;
  }
}
