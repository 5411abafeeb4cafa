/**
 * A caller for tests that is not Feige's own: SIP written out by hand over one UDP socket, RTP over another. It answers
 * what it is asked with 200 and never sends anything twice.
 */
import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type RtpPacket, readRtp, writeRtp } from '../../../src/sip/rtp-packet.ts';

export interface SipText {
  start: string;
  /** By lower-case name; the first of each. */
  headers: Map<string, string>;
  body: string;
}

const PACKET_SAMPLES = 160;

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

export function parseSip(text: string): SipText {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const [start = '', ...lines] = head.split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^:]+?)\s*:\s*(.*)$/.exec(line) ?? [];
    if (!headers.has(name.toLowerCase())) headers.set(name.toLowerCase(), value);
  }
  return { start, headers, body };
}

export class ScriptedCaller {
  /** What came by SIP, and what came by RTP. */
  readonly received: SipText[] = [];
  readonly heard: RtpPacket[] = [];
  readonly callId = `call-${Math.random().toString(36).slice(2)}`;
  readonly #sip: Socket;
  readonly #rtp: Socket;
  readonly #target: number;
  readonly #to: string;
  readonly #offeredCodecs: string;
  readonly #waiters = new Set<() => void>();
  #branch = 0;
  #cseq = 1;
  #sequence = 4_000;
  #timestamp = 4_294_960_000;

  private constructor(sip: Socket, rtp: Socket, options: { port: number; to: string; codecs?: string }) {
    this.#sip = sip;
    this.#rtp = rtp;
    this.#target = options.port;
    this.#to = options.to;
    this.#offeredCodecs = options.codecs ?? '8 0 101';
    sip.on('message', (bytes) => this.#take(parseSip(bytes.toString('utf8'))));
    rtp.on('message', (bytes) => {
      const packet = readRtp(bytes);
      if (packet !== undefined) this.heard.push(packet);
      this.#wake();
    });
  }

  static async open(options: { port: number; to: string; codecs?: string }): Promise<ScriptedCaller> {
    return new ScriptedCaller(await bound(), await bound(), options);
  }

  close(): void {
    this.#sip.close();
    this.#rtp.close();
  }

  /** Also challenged ones: `credentials` answers the last 401. */
  invite(credentials?: { username: string; password: string }): void {
    this.#branch += 1;
    if (credentials !== undefined) this.#cseq += 1;
    const authorization = credentials && this.#authorization(credentials);
    const extra = authorization ? [`Authorization: ${authorization}`] : [];
    this.#send('INVITE', { extra, body: this.#description() });
  }

  /** The answer will bring the offer, and `ackWithAnswer` ours. */
  inviteWithoutOffer(): void {
    this.#branch += 1;
    this.#send('INVITE', {});
  }

  ackWithAnswer(): void {
    this.#branch += 1;
    this.#send('ACK', { body: this.#description() });
  }

  /** The first message that fits, as soon as it is there. */
  async until(fits: (message: SipText) => boolean): Promise<SipText> {
    for (;;) {
      const found = this.received.find(fits);
      if (found !== undefined) return found;
      await this.happens();
    }
  }

  /** The response to the INVITE with this status. */
  response(status: number, method = 'INVITE'): Promise<SipText> {
    return this.until(
      ({ start, headers }) =>
        start.startsWith(`SIP/2.0 ${status} `) && (headers.get('cseq') ?? '').toUpperCase().endsWith(method),
    );
  }

  request(method: string): Promise<SipText> {
    return this.until(({ start }) => start.startsWith(`${method} `));
  }

  /** Something was received. */
  happens(): Promise<void> {
    return new Promise((resolve) => this.#waiters.add(resolve));
  }

  /** Rings, is answered, acknowledges; gives the port that wants our RTP. */
  async answered(): Promise<number> {
    this.invite();
    const answer = await this.response(200);
    this.ack();
    return rtpPortOf(answer);
  }

  /** Of a 200, or, with the INVITE's own branch, of a refusal. */
  ack(options: { refused?: boolean } = {}): void {
    if (options.refused !== true) this.#branch += 1;
    this.#send('ACK', {});
  }

  cancel(): void {
    this.#send('CANCEL', {});
  }

  bye(): void {
    this.#branch += 1;
    this.#cseq += 1;
    this.#send('BYE', {});
  }

  /** Sends these packets of G.711 at once. */
  play(port: number, encoded: Buffer, payloadType = 8): void {
    for (let at = 0; at < encoded.length; at += PACKET_SAMPLES) {
      this.speak(port, encoded.subarray(at, at + PACKET_SAMPLES), payloadType);
    }
  }

  speak(port: number, payload: Buffer, payloadType = 8): void {
    const header = { payloadType, marker: false, sequence: this.#sequence, timestamp: this.#timestamp, ssrc: 77 };
    this.#rtp.send(writeRtp({ ...header, payload }), port, '127.0.0.1');
    this.skip();
  }

  /** A packet that gets lost on its way. */
  skip(): void {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + PACKET_SAMPLES) >>> 0;
  }

  #take(message: SipText): void {
    this.received.push(message);
    if (!message.start.startsWith('SIP/2.0') && !message.start.startsWith('ACK')) this.#reply(message);
    this.#wake();
  }

  #wake(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }

  #reply(request: SipText): void {
    const copied = ['via', 'from', 'to', 'call-id', 'cseq'].map((name) => `${name}: ${request.headers.get(name)}`);
    const text = ['SIP/2.0 200 OK', ...copied, 'Content-Length: 0', '', ''].join('\r\n');
    this.#sip.send(text, this.#target, '127.0.0.1');
  }

  #send(method: string, options: { extra?: string[]; body?: string }): void {
    const { port } = this.#sip.address();
    const uri = `sip:${this.#to}@127.0.0.1:${this.#target}`;
    const tagged = this.received.find(
      ({ start, headers }) => start.startsWith('SIP/2.0 200') && headers.has('contact'),
    );
    const refused = this.received.find(({ start }) => /^SIP\/2\.0 [3-6]/.test(start));
    const to = (tagged ?? (method === 'ACK' ? refused : undefined))?.headers.get('to') ?? `<${uri}>`;
    const { body = '' } = options;
    const text = [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK-${this.callId}-${this.#branch};rport`,
      'Max-Forwards: 70',
      `From: <sip:0277001234@127.0.0.1>;tag=${this.callId}`,
      `To: ${to}`,
      `Call-ID: ${this.callId}`,
      `CSeq: ${this.#cseq} ${method}`,
      `Contact: <sip:caller@127.0.0.1:${port}>`,
      ...(options.extra ?? []),
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n');
    this.#sip.send(text, this.#target, '127.0.0.1');
  }

  #description(): string {
    const { port } = this.#rtp.address();
    return [
      'v=0',
      'o=- 1 1 IN IP4 127.0.0.1',
      's=-',
      'c=IN IP4 127.0.0.1',
      't=0 0',
      `m=audio ${port} RTP/AVP ${this.#offeredCodecs}`,
      'a=rtpmap:8 PCMA/8000',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:101 telephone-event/8000',
      'a=sendrecv',
      '',
    ].join('\r\n');
  }

  #authorization({ username, password }: { username: string; password: string }): string {
    const challenge = this.received.findLast(({ start }) => start.startsWith('SIP/2.0 401'));
    const fields = challenge?.headers.get('www-authenticate') ?? '';
    const field = (name: string): string => new RegExp(`\\b${name}="?([^",]+)`, 'i').exec(fields)?.[1] ?? '';
    const algorithm = field('algorithm') || 'MD5';
    const hash = (text: string): string =>
      createHash(algorithm.toUpperCase() === 'SHA-256' ? 'sha256' : 'md5')
        .update(text)
        .digest('hex');
    const uri = `sip:${this.#to}@127.0.0.1:${this.#target}`;
    const secret = hash(`${username}:${field('realm')}:${password}`);
    const response = hash(`${secret}:${field('nonce')}:00000001:c0ffee:auth:${hash(`INVITE:${uri}`)}`);
    return `Digest username="${username}", realm="${field('realm')}", nonce="${field('nonce')}", uri="${uri}", algorithm=${algorithm}, qop=auth, nc=00000001, cnonce="c0ffee", response="${response}"`;
  }
}

export function rtpPortOf(answer: SipText): number {
  return Number(/^m=audio (\d+) /m.exec(answer.body)?.[1]);
}
