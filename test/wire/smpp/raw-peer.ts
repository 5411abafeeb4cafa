/** A peer on a real socket that does only what the test says: it shows the PDUs it got and sends bytes as told. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { FrameReader } from '../../../src/smpp/framing.ts';
import { decodePdu, encodePdu, type Pdu } from '../../../src/smpp/pdu.ts';

export class RawPeer {
  readonly socket: Socket;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  /** Called for every PDU instead of queueing it for `next`. */
  onPdu: ((pdu: Pdu) => void) | undefined;
  readonly #framing = new FrameReader();
  readonly #arrived: Pdu[] = [];
  #waiting: ((pdu: Pdu) => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const frame of this.#framing.feed(chunk).frames) this.#take(frame);
    });
  }

  /** The next PDU, of this command. */
  async next(command: Pdu['command']): Promise<Pdu> {
    const pdu = this.#arrived.shift() ?? (await new Promise<Pdu>((resolve) => (this.#waiting = resolve)));
    assert.equal(pdu.command, command);
    return pdu;
  }

  send(...pdus: Pdu[]): void {
    this.socket.write(Buffer.concat(pdus.map(encodePdu)));
  }

  #take(frame: Buffer): void {
    const result = decodePdu(frame);
    // Refusals of commands that the codec does not read.
    if (!result.ok) return;
    if (this.onPdu !== undefined) this.onPdu(result.pdu);
    else if (this.#waiting === undefined) this.#arrived.push(result.pdu);
    else {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting(result.pdu);
    }
  }
}

/** An SMSC that accepts one connection after the other and leaves everything to the test. */
export class RawSmsc {
  readonly #server: Server = createServer();
  readonly #sockets = new Set<Socket>();

  async listen(): Promise<number> {
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.listen({ host: '127.0.0.1', port: 0 });
    await once(this.#server, 'listening');
    const address = this.#server.address();
    assert.ok(address !== null && typeof address === 'object');
    return address.port;
  }

  /** The next connection, after its bind was answered. */
  async accept(): Promise<RawPeer> {
    const peer = await this.acceptUnbound();
    const bind = await peer.next('bind_transceiver');
    peer.send({ command: 'bind_transceiver_resp', sequence: bind.sequence, status: 0, systemId: 'raw', tlvs: {} });
    return peer;
  }

  async acceptUnbound(): Promise<RawPeer> {
    const [socket] = (await once(this.#server, 'connection')) as [Socket];
    return new RawPeer(socket);
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}

/** An ESME that has connected and not bound. */
export async function rawEsme(port: number): Promise<RawPeer> {
  const socket = connect({ host: '127.0.0.1', port });
  await once(socket, 'connect');
  return new RawPeer(socket);
}

export async function bindRaw(
  peer: RawPeer,
  command: 'bind_transceiver' | 'bind_transmitter' | 'bind_receiver' = 'bind_transceiver',
): Promise<Pdu> {
  peer.send({
    command,
    sequence: 1,
    status: 0,
    systemId: 'esme',
    password: 'secret',
    systemType: 'SMS',
    interfaceVersion: 0x34,
    addrTon: 0,
    addrNpi: 0,
    addressRange: '',
  });
  return await peer.next(`${command}_resp`);
}
