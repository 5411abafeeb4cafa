/**
 * A SIP peer without any behaviour of its own: the test says what it sends and waits for what it gets. Built on raw
 * sockets, so that it may break the rules.
 */
import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import {
  headerLinesOf,
  headerOf,
  NO_BODY,
  parseMessage,
  reasonPhrase,
  type SipHeader,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  serialiseMessage,
} from '../../../src/sip/message.ts';
import { StreamFraming } from '../../../src/sip/stream-framing.ts';

export interface Received<M extends SipMessage = SipMessage> {
  message: M;
  /** Sends to where it came from. */
  send(message: SipMessage | Buffer): void;
}

const WAIT_MS = 5_000;
const PEER_TAG = 'peer-tag';

export class ScriptedPeer {
  readonly port: number;
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** Everything that came, in order. */
  readonly log: SipMessage[] = [];
  /** Datagrams that are thrown away before the next one is looked at. */
  drop = 0;
  readonly #queue: Received[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #close: () => Promise<void>;

  constructor(transport: ScriptedPeer['transport'], port: number, close: () => Promise<void>) {
    this.transport = transport;
    this.port = port;
    this.#close = close;
  }

  get address(): string {
    return `127.0.0.1:${this.port}${this.transport === 'udp' ? '' : `;transport=${this.transport}`}`;
  }

  take(bytes: Buffer, send: Received['send']): void {
    if (this.drop > 0) {
      this.drop -= 1;
      return;
    }
    const parsed = parseMessage(bytes);
    if (parsed.kind !== 'message') return;
    this.log.push(parsed.message);
    this.#queue.push({ message: parsed.message, send });
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The next request of this method; others before it are skipped. */
  async request(method: string): Promise<Received<SipRequest>> {
    const got = await this.#next((message) => message.kind === 'request' && message.method === method, method);
    assert.equal(got.message.kind, 'request');
    return got as Received<SipRequest>;
  }

  /** The next response of this status and method. */
  async response(status: number, method: string): Promise<Received<SipResponse>> {
    const wanted = (message: SipMessage): boolean =>
      message.kind === 'response' && message.status === status && (headerOf(message, 'CSeq') ?? '').endsWith(method);
    return (await this.#next(wanted, `${status} ${method}`)) as Received<SipResponse>;
  }

  count(method: string): number {
    return this.log.filter((message) => message.kind === 'request' && message.method === method).length;
  }

  close(): Promise<void> {
    return this.#close();
  }

  async #next(wanted: (message: SipMessage) => boolean, what: string): Promise<Received> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`no ${what}; got ${this.log.map(startOf).join(', ')}`)),
      WAIT_MS,
    );
    try {
      for (;;) {
        let got = this.#queue.shift();
        while (got !== undefined && !wanted(got.message)) got = this.#queue.shift();
        if (got !== undefined) return got;
        await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), late.promise]);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

function startOf(message: SipMessage): string {
  return message.kind === 'request' ? message.method : String(message.status);
}

export async function udpPeer(): Promise<ScriptedPeer> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const peer = new ScriptedPeer('udp', socket.address().port, async () => {
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  });
  socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
    peer.take(bytes, (message) => socket.send(bytesOf(message), from.port, from.address));
  });
  return peer;
}

export interface StreamPeer extends ScriptedPeer {
  readonly sockets: Socket[];
}

/** @param write how bytes leave: whole, unless the test wants them otherwise */
export async function streamPeer(
  tls?: { key: string; cert: string },
  write: (socket: Socket, bytes: Buffer) => void = (socket, bytes) => void socket.write(bytes),
): Promise<StreamPeer> {
  const sockets: Socket[] = [];
  const accept = (socket: Socket): void => {
    sockets.push(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    const framing = new StreamFraming();
    socket.on('data', (chunk: Buffer) => {
      for (const bytes of framing.feed(chunk).messages) {
        peer.take(bytes, (message) => write(socket, bytesOf(message)));
      }
    });
  };
  const server: Server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const peer = new ScriptedPeer(tls === undefined ? 'tcp' : 'tls', address.port, async () => {
    const closed = once(server, 'close');
    for (const socket of sockets) socket.destroy();
    server.close();
    await closed;
  });
  return Object.assign(peer, { sockets });
}

function bytesOf(message: SipMessage | Buffer): Buffer {
  return Buffer.isBuffer(message) ? message : serialiseMessage(message);
}

export interface ReplyOptions {
  tag?: string;
  headers?: SipHeader[];
  sdp?: string;
  reason?: string;
}

/** An answer with the request's Via, From, To, Call-ID, CSeq and Record-Route. */
export function reply(request: SipRequest, status: number, options: ReplyOptions = {}): SipResponse {
  const { tag = PEER_TAG, headers = [], sdp } = options;
  const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Record-Route'].flatMap((name) =>
    headerLinesOf(request, name).map((value) => ({
      name,
      value: name === 'To' && status > 100 && !value.includes(';tag=') ? `${value};tag=${tag}` : value,
    })),
  );
  const type = sdp === undefined ? [] : [{ name: 'Content-Type', value: 'application/sdp' }];
  return {
    kind: 'response',
    status,
    reason: options.reason ?? reasonPhrase(status),
    headers: [...copied, ...headers, ...type],
    body: sdp === undefined ? NO_BODY : Buffer.from(sdp),
  };
}

/** A request of the callee inside of the call that `invite` and our answer to it began. */
export function within(
  peer: ScriptedPeer,
  invite: SipRequest,
  method: string,
  options: { cseq: number; tag?: string; sdp?: string; headers?: SipHeader[]; branch?: string },
): SipRequest {
  const { cseq, tag = PEER_TAG, sdp, headers = [], branch = `z9hG4bKpeer${method}${cseq}` } = options;
  const to = headerOf(invite, 'From') ?? '';
  const from = `${headerOf(invite, 'To') ?? ''};tag=${tag}`;
  const contact = /<([^>]+)>/.exec(headerOf(invite, 'Contact') ?? '')?.[1] ?? '';
  const type = sdp === undefined ? [] : [{ name: 'Content-Type', value: 'application/sdp' }];
  return {
    kind: 'request',
    method,
    uri: contact,
    headers: [
      {
        name: 'Via',
        value: `SIP/2.0/${peer.transport.toUpperCase()} 127.0.0.1:${peer.port};branch=${branch};rport`,
      },
      { name: 'Max-Forwards', value: '70' },
      { name: 'From', value: from },
      { name: 'To', value: to },
      { name: 'Call-ID', value: headerOf(invite, 'Call-ID') ?? '' },
      { name: 'CSeq', value: `${cseq} ${method}` },
      { name: 'Contact', value: `<sip:${peer.address}>` },
      ...headers,
      ...type,
    ],
    body: sdp === undefined ? NO_BODY : Buffer.from(sdp),
  };
}

/** A description that takes PCMA and telephone-event at 127.0.0.1. */
export function sdpOf(port: number, extra: { direction?: string; formats?: string; address?: string } = {}): string {
  const { direction = 'sendrecv', formats = '8 101', address = '127.0.0.1' } = extra;
  return [
    'v=0',
    `o=- 1 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} RTP/AVP ${formats}`,
    'a=rtpmap:101 telephone-event/8000',
    `a=${direction}`,
    '',
  ].join('\r\n');
}

export function contactOf(peer: ScriptedPeer): SipHeader {
  return { name: 'Contact', value: `<sip:callee@${peer.address}>` };
}
