import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Newcomers } from '../../../src/http/newcomers.ts';
import { acceptRawUrls, noteResponses } from '../../../src/http/raw-url.ts';
import { createLogger } from '../../../src/base/log.ts';
import { makeSecretKey, SecretKeys } from '../../../src/base/secret-keys.ts';
import { selfSignedCertificate } from '../../../src/http/self-signed.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const MAX_LINE_BYTES = 4_096;
/** Of the event loop, until the server has read a packet, and a stranger's turn has come. */
const TURNS_OF_A_PACKET = 6;
/** Of the event loop, until a closed connection is forgotten. */
const MOST_TURNS = 100;

/** Answers each request with its method, its URL and its body in hexadecimal; `?hold` keeps the answer back. */
class EchoServer {
  readonly held: (() => void)[] = [];
  readonly requests: string[] = [];
  readonly server: Server;
  #heldOne: () => void = () => {};

  constructor(tls?: { key: string; cert: string }, options: ServerOptions = {}, isWaitedFor = false) {
    const listener = noteResponses((request, response) => void this.#answer(request, response));
    this.server = tls === undefined ? createServer(options, listener) : createHttpsServer(tls, listener);
    acceptRawUrls(this.server, {
      event: tls === undefined ? 'connection' : 'secureConnection',
      maxLineBytes: MAX_LINE_BYTES,
    });
    if (isWaitedFor) new Newcomers().guard(this.server);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(request.url ?? '');
    const body: Buffer[] = [];
    try {
      for await (const chunk of request) body.push(chunk as Buffer);
    } catch {
      // The connection is gone, and with it whom to answer.
      return;
    }
    const answer = `${request.method} ${request.url} ${Buffer.concat(body).toString('hex')};`;
    if (request.url?.includes('hold') === true) {
      await new Promise<void>((resolve) => {
        this.held.push(resolve);
        this.#heldOne();
      });
    }
    response.end(answer);
  }

  async untilHeld(): Promise<void> {
    if (this.held.length === 0) await new Promise<void>((resolve) => (this.#heldOne = resolve));
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Collects what a connection receives. */
class Peer {
  readonly socket: Socket;
  received = '';

  constructor(socket: Socket) {
    this.socket = socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1');
    });
    socket.on('error', () => {});
  }

  /** The bodies received once there are as many; the connection's end makes it fail. */
  async bodies(count: number): Promise<string[]> {
    for (;;) {
      const bodies = [...this.received.matchAll(/\r\n\r\n([^;]*);/g)].map((match) => match[1] ?? '');
      if (bodies.length >= count) return bodies;
      assert.ok(!this.socket.closed, `closed after ${this.received}`);
      await Promise.race([once(this.socket, 'data'), once(this.socket, 'close')]);
    }
  }

  async untilClosed(): Promise<string> {
    if (!this.socket.closed) await once(this.socket, 'close');
    return this.received;
  }
}

const directory = temporaryDirectory();
let plain: EchoServer;
let secure: EchoServer;
let plainPort = 0;
let securePort = 0;
/** Its connections wait until something is asked on them, as strangers' do. */
let waiting: EchoServer;
let waitingPort = 0;

before(async () => {
  plain = new EchoServer();
  plainPort = await plain.listen();
  const kept = { directory: directory.path, keys: new SecretKeys([makeSecretKey()]) };
  const log = createLogger({ level: 'silent' });
  secure = new EchoServer(await selfSignedCertificate({ ...kept, nowMs: 1_800_000_000_000, log }));
  securePort = await secure.listen();
  waiting = new EchoServer(undefined, {}, true);
  waitingPort = await waiting.listen();
});
after(async () => {
  await plain.stop();
  await secure.stop();
  await waiting.stop();
  directory.remove();
});

const KINDS = ['http', 'https', 'http to a stranger'] as const;

async function open(kind: (typeof KINDS)[number] = 'http'): Promise<Peer> {
  if (kind !== 'https') {
    const socket = connect(kind === 'http' ? plainPort : waitingPort, '127.0.0.1');
    await once(socket, 'connect');
    return new Peer(socket);
  }
  const socket = connectTls({ port: securePort, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  return new Peer(socket);
}

async function write(peer: Peer, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve) => peer.socket.write(bytes, () => resolve()));
  // Turns of the loop for the server, which lives in this process: each write arrives as a packet of its own.
  for (let turn = 0; turn < TURNS_OF_A_PACKET; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const HELLO_UTF8 = Buffer.from('你好');
const HELLO_BIG5 = Buffer.from([0xa7, 0x41, 0xa6, 0x6e]);
const ENCODED_UTF8 = '%E4%BD%A0%E5%A5%BD';
const ENCODED_BIG5 = '%A7A%A6n';

function get(path: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from('GET '), Buffer.from(path), Buffer.from(' HTTP/1.1\r\nHost: a\r\n\r\n')]);
}

function raw(before: string, bytes: Buffer, behind = ''): Buffer {
  return Buffer.concat([Buffer.from(before), bytes, Buffer.from(behind)]);
}

for (const kind of KINDS) {
  test(`raw UTF-8 and raw Big5 in a request line arrive percent-encoded over ${kind}, and the connection goes on`, async () => {
    const peer = await open(kind);
    await write(peer, get(raw('/a?m=', HELLO_UTF8)));
    assert.deepEqual(await peer.bodies(1), [`GET /a?m=${ENCODED_UTF8} `]);
    await write(peer, get(raw('/b?m=', HELLO_BIG5, '&x=1')));
    await peer.bodies(2);
    await write(peer, get('/c'));
    assert.deepEqual(await peer.bodies(3), [`GET /a?m=${ENCODED_UTF8} `, `GET /b?m=${ENCODED_BIG5}&x=1 `, 'GET /c ']);
    peer.socket.destroy();
  });

  test(`a raw request line arrives whole wherever a packet of ${kind} ends`, async () => {
    const request = Buffer.concat([get('/first'), get(raw('/a?m=', HELLO_UTF8, '&n=')), get('/last')]);
    for (let cut = 1; cut < request.length; cut++) {
      const peer = await open(kind);
      await write(peer, request.subarray(0, cut));
      await write(peer, request.subarray(cut));
      const bodies = await peer.bodies(3);
      assert.deepEqual(bodies, ['GET /first ', `GET /a?m=${ENCODED_UTF8}&n= `, 'GET /last '], `cut at ${cut}`);
      peer.socket.destroy();
    }
  });
}

test('a raw request arrives whole when every byte is a packet of its own', async () => {
  const peer = await open();
  const request = Buffer.concat([get(raw('/a?m=', HELLO_UTF8)), get(raw('/b?m=', HELLO_BIG5)), get('/c')]);
  for (const byte of request) await write(peer, Buffer.from([byte]));
  assert.deepEqual(await peer.bodies(3), [`GET /a?m=${ENCODED_UTF8} `, `GET /b?m=${ENCODED_BIG5} `, 'GET /c ']);
  peer.socket.destroy();
});

test('of pipelined requests each is carried out once, in order', async () => {
  const peer = await open();
  plain.requests.length = 0;
  await write(
    peer,
    Buffer.concat([get('/1'), get('/2'), get(raw('/3?', HELLO_UTF8)), get(raw('/4?', HELLO_BIG5)), get('/5')]),
  );
  const urls = ['/1', '/2', `/3?${ENCODED_UTF8}`, `/4?${ENCODED_BIG5}`, '/5'];
  assert.deepEqual(
    await peer.bodies(5),
    urls.map((url) => `GET ${url} `),
  );
  assert.deepEqual(plain.requests, urls);
  peer.socket.destroy();
});

test('a mended request waits for the answers to the requests before it', async () => {
  const peer = await open();
  plain.requests.length = 0;
  await write(peer, Buffer.concat([get('/hold'), get(raw('/late?', HELLO_UTF8)), get('/later')]));
  await plain.untilHeld();
  await write(peer, get('/latest'));
  assert.deepEqual(plain.requests, ['/hold']);
  assert.equal(peer.received, '');
  plain.held.shift()?.();
  assert.deepEqual(await peer.bodies(4), ['GET /hold ', `GET /late?${ENCODED_UTF8} `, 'GET /later ', 'GET /latest ']);
  peer.socket.destroy();
});

function post(path: Buffer | string, body: Buffer, headers = ''): Buffer {
  const head = `POST ${Buffer.from(path).toString('latin1')} HTTP/1.1\r\nHost: a\r\n${headers}Content-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

test('raw bytes in a body and in a header stay as they are', async () => {
  const peer = await open();
  const body = raw('GET /x?m=', HELLO_UTF8, ' HTTP/1.1');
  await write(peer, post('/plain', body, `X-Name: ${HELLO_UTF8.toString('latin1')}\r\n`));
  assert.deepEqual(await peer.bodies(1), [`POST /plain ${body.toString('hex')}`]);
  await write(peer, post(raw('/raw?m=', HELLO_UTF8), body));
  await write(peer, get(raw('/after?m=', HELLO_UTF8)));
  assert.deepEqual(await peer.bodies(3), [
    `POST /plain ${body.toString('hex')}`,
    `POST /raw?m=${ENCODED_UTF8} ${body.toString('hex')}`,
    `GET /after?m=${ENCODED_UTF8} `,
  ]);
  peer.socket.destroy();
});

test('a raw request right behind a body without a line end begins at its own method', async () => {
  const body = Buffer.from('a=1&b=NOT A GET /trap');
  const request = Buffer.concat([post('/p', body), get(raw('/a?m=', HELLO_UTF8))]);
  for (let cut = 1; cut < request.length; cut++) {
    const peer = await open();
    await write(peer, request.subarray(0, cut));
    await write(peer, request.subarray(cut));
    assert.deepEqual(await peer.bodies(2), [`POST /p ${body.toString('hex')}`, `GET /a?m=${ENCODED_UTF8} `]);
    peer.socket.destroy();
  }
});

test('a request line that is broken in another way is answered 400, after the answers before it', async () => {
  const peer = await open();
  await write(peer, Buffer.concat([get('/hold'), Buffer.from('GET /a\u0001b HTTP/1.1\r\n\r\n')]));
  await plain.untilHeld();
  plain.held.shift()?.();
  const received = await peer.untilClosed();
  assert.match(received, /^HTTP\/1\.1 200 OK\r\n[\s\S]*GET \/hold ;HTTP\/1\.1 400 Bad Request\r\n/);
});

test('a raw byte behind a line that ended without a version is answered 400', async () => {
  const refused = [
    raw('GET h\n', HELLO_BIG5, '\r\nHost: a\r\n\r\n'),
    raw('GET http://a\n', HELLO_UTF8, ' HTTP/1.1\r\nHost: a\r\n\r\n'),
    raw('GET /a\n', HELLO_UTF8, '\n'),
    raw('GET /a\r\n', HELLO_UTF8, '\r\n\r\n'),
  ];
  for (const request of refused) {
    const peer = await open();
    await write(peer, request);
    assert.match(await peer.untilClosed(), /^HTTP\/1\.1 400 Bad Request\r\n/);
  }
});

test('a raw request line without an end is answered 431 when it is too long', async () => {
  const peer = await open();
  await write(peer, raw('GET /a?m=', HELLO_UTF8, 'x'.repeat(MAX_LINE_BYTES)));
  assert.match(await peer.untilClosed(), /^HTTP\/1\.1 431 /);
});

test('a client that leaves in the middle of a raw line leaves nothing behind', async () => {
  const peer = await open();
  await write(peer, raw('GET /a?m=', HELLO_UTF8));
  peer.socket.destroy();
  await peer.untilClosed();
  const next = await open();
  await write(next, get('/next'));
  assert.deepEqual(await next.bodies(1), ['GET /next ']);
  next.socket.destroy();
});

test('a connection that a client left in the middle of a raw line is not remembered', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const accepted = once(plain.server, 'connection').then(([socket]) => new WeakRef(socket as Socket));
  const peer = await open();
  const connection = await accepted;
  await write(peer, raw('GET /a?m=', HELLO_UTF8));
  peer.socket.destroy();
  await peer.untilClosed();
  for (let turns = 0; turns < MOST_TURNS && connection.deref() !== undefined; turns += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  assert.equal(connection.deref(), undefined);
});

const UNFINISHED = 'POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf';

test('a body that ends before its length is answered 400 and closed', async () => {
  const peer = new Peer(connect(plainPort, '127.0.0.1'));
  peer.socket.end(UNFINISHED);
  await once(peer.socket, 'close');
  assert.match(peer.received, /^HTTP\/1\.1 400 Bad Request\r\n/);
});

test('a body that never ends is answered 408 in the time that a request has, and closed', async () => {
  const hasty = new EchoServer(undefined, {
    requestTimeout: 100,
    headersTimeout: 100,
    connectionsCheckingInterval: 20,
  });
  const peer = new Peer(connect(await hasty.listen(), '127.0.0.1'));
  peer.socket.write(UNFINISHED);
  await once(peer.socket, 'close');
  assert.match(peer.received, /^HTTP\/1\.1 408 Request Timeout\r\n/);
  await hasty.stop();
});

test('a body that breaks off waits for the answers to the requests before it', async () => {
  const peer = new Peer(connect(plainPort, '127.0.0.1'));
  peer.socket.write('GET /hold HTTP/1.1\r\nHost: a\r\n\r\n');
  await plain.untilHeld();
  const refused = once(plain.server, 'clientError');
  peer.socket.end(UNFINISHED);
  await refused;
  for (const release of plain.held.splice(0)) release();
  await once(peer.socket, 'close');
  assert.match(peer.received, /GET \/hold ;HTTP\/1\.1 400 Bad Request/);
});
