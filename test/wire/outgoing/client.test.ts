import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { after, afterEach, describe, test } from 'node:test';
import { generate } from 'selfsigned';
import { AddressRules } from '../../../src/outgoing/address-rules.ts';
import { OutgoingClient, type OutgoingClientOptions } from '../../../src/outgoing/client.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const loopback = new AddressRules({ allow: ['127.0.0.0/8', '::1'], platformListeners: () => [] });
const strict = new AddressRules({ allow: [], platformListeners: () => [] });
const TIME_ENOUGH = { timeoutMs: 5_000 };

function clientWith(options: Partial<OutgoingClientOptions> = {}): OutgoingClient {
  const client = new OutgoingClient({ rules: loopback, ...options });
  closing.push(() => client.stop());
  return client;
}

interface Site {
  readonly url: string;
  readonly port: number;
  readonly requests: string[];
  readonly sockets: Set<net.Socket>;
}

async function listen(server: net.Server, scheme: string): Promise<Site> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { url: `${scheme}://127.0.0.1:${port}`, port, requests: [], sockets };
}

async function serve(handler: RequestListener): Promise<Site> {
  const server = createHttpServer((request, response) => {
    site.requests.push(request.url ?? '');
    handler(request, response);
  });
  const site = await listen(server, 'http');
  return site;
}

function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())));
}

/** A server that speaks no HTTP by itself. */
async function serveRaw(onSocket: (socket: net.Socket) => void): Promise<Site> {
  return listen(net.createServer(onSocket), 'http');
}

describe('a GET to a URL that a customer named', () => {
  test('tells the status and sends path and query as they stand', async () => {
    const site = await serve((_request, response) => response.end('ok'));
    const outcome = await clientWith().get(`${site.url}/a%20b?x=%E4%BD%A0&y=1#part`, TIME_ENOUGH);
    assert.deepEqual(outcome, { kind: 'answered', status: 200 });
    assert.deepEqual(site.requests, ['/a%20b?x=%E4%BD%A0&y=1']);
  });

  test('uses one connection for one request after the other', async () => {
    const site = await serve((_request, response) => response.end());
    const client = clientWith();
    for (let n = 0; n < 5; n += 1) await client.get(site.url, TIME_ENOUGH);
    assert.equal(site.requests.length, 5);
    assert.equal(site.sockets.size, 1);
  });

  test('never follows a redirect', async () => {
    const target = await serve((_request, response) => response.end());
    const site = await serve((_request, response) => response.writeHead(302, { location: target.url }).end());
    assert.deepEqual(await clientWith().get(site.url, TIME_ENOUGH), { kind: 'answered', status: 302 });
    assert.deepEqual(target.requests, []);
  });

  test('opens no more connections to one origin than it may, and serves the others in turn', async () => {
    const held: ServerResponse[] = [];
    let most = 0;
    const site = await serve((_request, response) => {
      most = Math.max(most, held.push(response));
      if (held.length === 3) for (const one of held.splice(0)) one.end();
    });
    const client = clientWith({ connectionsPerOrigin: 3 });
    const outcomes = await Promise.all(Array.from({ length: 30 }, () => client.get(site.url, TIME_ENOUGH)));
    assert.ok(outcomes.every((outcome) => outcome.kind === 'answered'));
    assert.equal(most, 3);
    assert.equal(site.sockets.size, 3);
  });

  test('closes the longest idle connection when too many are open in all, and refuses when none is idle', async () => {
    const quick = await serve((_request, response) => response.end());
    const held = await serve(() => {});
    const client = clientWith({ maxConnections: 1 });
    assert.equal((await client.get(quick.url, TIME_ENOUGH)).kind, 'answered');
    const pending = client.get(held.url, { timeoutMs: 500 });
    assert.deepEqual(await client.get(quick.url, TIME_ENOUGH), { kind: 'failed', reason: 'too many requests at once' });
    assert.deepEqual(await pending, { kind: 'failed', reason: 'timed out' });
    assert.equal((await client.get(quick.url, TIME_ENOUGH)).kind, 'answered');
  });

  test('fails when no answer comes in time, and frees the connection', async () => {
    const site = await serve(() => {});
    const client = clientWith({ connectionsPerOrigin: 1 });
    const outcomes = await Promise.all([
      client.get(site.url, { timeoutMs: 100 }),
      client.get(site.url, { timeoutMs: 100 }),
    ]);
    assert.deepEqual(outcomes, Array(2).fill({ kind: 'failed', reason: 'timed out' }));
    const [socket] = site.sockets;
    assert.ok(socket);
    await closed(socket);
  });

  test('fails in time when headers drip in for ever', async () => {
    const site = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const drip = setInterval(() => socket.write('x-drip: 1\r\n'), 20);
      socket.on('close', () => clearInterval(drip));
    });
    assert.deepEqual(await clientWith().get(site.url, { timeoutMs: 200 }), { kind: 'failed', reason: 'timed out' });
  });

  test('keeps the status when the body never ends, and drops the connection', async () => {
    const site = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx');
    });
    assert.deepEqual(await clientWith().get(site.url, { timeoutMs: 100 }), { kind: 'answered', status: 200 });
  });

  test('reads no more of a body than its bound', async () => {
    const site = await serve((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(16_384)));
      };
      response.on('drain', more);
      more();
    });
    assert.deepEqual(await clientWith().get(site.url, TIME_ENOUGH), { kind: 'answered', status: 200 });
    const [socket] = site.sockets;
    assert.ok(socket);
    await closed(socket);
    assert.ok(socket.bytesWritten < 8 * 1024 * 1024);
  });

  test('takes the final status, not an informational one', async () => {
    const site = await serve((_request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.writeHead(503).end();
    });
    assert.deepEqual(await clientWith().get(site.url, TIME_ENOUGH), { kind: 'answered', status: 503 });
  });

  test('is sent again once when a kept-alive connection turns out to be closed', async () => {
    let connections = 0;
    const site = await serveRaw((socket) => {
      connections += 1;
      let requests = 0;
      socket.on('data', () => {
        requests += 1;
        if (requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        else socket.destroy();
      });
    });
    const client = clientWith();
    assert.equal((await client.get(site.url, TIME_ENOUGH)).kind, 'answered');
    assert.deepEqual(await client.get(site.url, TIME_ENOUGH), { kind: 'answered', status: 200 });
    assert.equal(connections, 2);
  });

  test('fails without a second try when a fresh connection is cut', async () => {
    let connections = 0;
    const site = await serveRaw((socket) => {
      connections += 1;
      socket.on('data', () => socket.destroy());
    });
    assert.equal((await clientWith().get(site.url, TIME_ENOUGH)).kind, 'failed');
    assert.equal(connections, 1);
  });

  test('goes on with a server that closes after each answer', async () => {
    const site = await serve((_request, response) => response.setHeader('connection', 'close').end());
    const client = clientWith({ connectionsPerOrigin: 2 });
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => client.get(site.url, TIME_ENOUGH)));
    assert.ok(outcomes.every((outcome) => outcome.kind === 'answered'));
    assert.equal(site.requests.length, 10);
  });

  for (const [what, bytes] of [
    ['garbage', 'garbage\r\n\r\n'],
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'],
    ['endless headers', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}`],
  ] as const) {
    test(`fails when the server answers with ${what}`, async () => {
      const site = await serveRaw((socket) => socket.on('data', () => socket.end(bytes)));
      assert.equal((await clientWith().get(site.url, TIME_ENOUGH)).kind, 'failed');
      assert.equal(site.sockets.size, 1);
    });
  }

  test('names the reason when nobody listens', async () => {
    const site = await serve((_request, response) => response.end());
    for (const close of closing.splice(0)) await close();
    const outcome = await clientWith().get(site.url, TIME_ENOUGH);
    assert.equal(outcome.kind, 'failed');
    assert.match(outcome.kind === 'failed' ? outcome.reason : '', /ECONNREFUSED/);
  });

  test('fails for what is not an http or https URL', async () => {
    for (const url of ['ftp://example.com/', 'nonsense', 'file:///etc/passwd']) {
      assert.deepEqual(await clientWith().get(url, TIME_ENOUGH), {
        kind: 'failed',
        reason: 'not an http or https URL',
      });
    }
  });

  test('informational answers are passed over, but not without end', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\n\r\n';
    const final = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
    const some = await serveRaw((socket) => socket.on('data', () => socket.end(hints.repeat(3) + final)));
    assert.deepEqual(await clientWith().get(some.url, TIME_ENOUGH), { kind: 'answered', status: 200 });
    const endless = await serveRaw((socket) => socket.on('data', () => socket.write(hints.repeat(20))));
    assert.deepEqual(await clientWith().get(endless.url, TIME_ENOUGH), {
      kind: 'failed',
      reason: 'informational answers without end',
    });
    await Promise.all([...endless.sockets].map(closed));
  });

  test('ends as failed when the client stops', async () => {
    const site = await serve(() => void client.stop());
    const client = clientWith({ connectionsPerOrigin: 1 });
    const outcomes = await Promise.all([client.get(site.url, TIME_ENOUGH), client.get(site.url, TIME_ENOUGH)]);
    assert.deepEqual(outcomes, Array(2).fill({ kind: 'failed', reason: 'stopping' }));
    assert.deepEqual(await client.get(site.url, TIME_ENOUGH), { kind: 'failed', reason: 'stopping' });
  });
});

describe('the address check', () => {
  test('refuses a literal address before any packet', async () => {
    const site = await serve((_request, response) => response.end());
    assert.equal((await clientWith({ rules: strict }).get(site.url, TIME_ENOUGH)).kind, 'refused-address');
    assert.equal(site.sockets.size, 0);
  });

  for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1', '::ffff:127.0.0.1', 'fd00:ec2::254']) {
    test(`refuses a name that resolves to ${address}`, async () => {
      const lookup = async () => [{ address, family: net.isIP(address) }];
      const client = clientWith({ rules: strict, lookup });
      assert.equal((await client.get('http://customer.example/', TIME_ENOUGH)).kind, 'refused-address');
    });
  }

  test('connects to the address that was checked, however the name answers afterwards', async () => {
    const site = await serve((request, response) => {
      assert.equal(request.headers.host, `customer.example:${site.port}`);
      response.end();
    });
    const answers = ['127.0.0.1', '10.0.0.1'];
    const asked: string[] = [];
    const lookup = async (name: string) => {
      asked.push(name);
      return [{ address: answers.shift() ?? '10.0.0.1', family: 4 }];
    };
    const outcome = await clientWith({ lookup }).get(`http://customer.example:${site.port}/`, TIME_ENOUGH);
    assert.deepEqual(outcome, { kind: 'answered', status: 200 });
    assert.deepEqual(asked, ['customer.example']);
  });

  test('passes over the forbidden ones of several addresses', async () => {
    const site = await serve((_request, response) => response.end());
    const lookup = async () => [
      { address: '10.0.0.1', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ];
    const outcome = await clientWith({ lookup }).get(`http://customer.example:${site.port}/`, TIME_ENOUGH);
    assert.deepEqual(outcome, { kind: 'answered', status: 200 });
  });

  test("keeps the platform's own listener closed to a name that resolves to it", async () => {
    const site = await serve((_request, response) => response.end());
    const rules = new AddressRules({
      allow: ['127.0.0.0/8'],
      platformListeners: () => [{ address: '127.0.0.1', port: site.port }],
    });
    const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
    const client = clientWith({ rules, lookup });
    assert.equal((await client.get(`http://customer.example:${site.port}/`, TIME_ENOUGH)).kind, 'refused-address');
    assert.equal((await client.get(site.url, TIME_ENOUGH)).kind, 'refused-address');
    assert.equal(site.sockets.size, 0);
  });

  test('a name that does not resolve fails, and is not asked again at once', async () => {
    let asked = 0;
    const lookup = async () => {
      asked += 1;
      throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    };
    const client = clientWith({ lookup });
    for (let n = 0; n < 3; n += 1) {
      const outcome = await client.get('http://nowhere.example/', TIME_ENOUGH);
      assert.match(outcome.kind === 'failed' ? outcome.reason : '', /ENOTFOUND/);
    }
    assert.equal(asked, 1);
  });

  test('a name server that never answers costs no more than the time-out', async () => {
    const client = clientWith({ lookup: () => new Promise(() => {}) });
    assert.deepEqual(await client.get('http://slow.example/', { timeoutMs: 100 }), {
      kind: 'failed',
      reason: 'timed out',
    });
  });
});

describe('TLS', async () => {
  const names = [
    { type: 2, value: 'customer.example' },
    { type: 7, ip: '127.0.0.1' },
  ] as const;
  const pem = await generate([{ name: 'commonName', value: 'customer.example' }], {
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [...names] },
    ],
  });
  const server = createHttpsServer({ key: pem.private, cert: pem.cert }, (_request, response) => response.end());
  const servernames: (string | false)[] = [];
  server.on('secureConnection', (socket) => servernames.push(socket.servername ?? false));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const lookup = async () => [{ address: '127.0.0.1', family: 4 }];

  test('a certificate for the name is accepted and the name is sent', async () => {
    const client = clientWith({ lookup, ca: pem.cert });
    const outcome = await client.get(`https://customer.example:${port}/`, TIME_ENOUGH);
    assert.deepEqual(outcome, { kind: 'answered', status: 200 });
    assert.deepEqual(servernames, ['customer.example']);
  });

  test('a certificate for the address is accepted for a literal address', async () => {
    const outcome = await clientWith({ ca: pem.cert }).get(`https://127.0.0.1:${port}/`, TIME_ENOUGH);
    assert.deepEqual(outcome, { kind: 'answered', status: 200 });
  });

  test('a certificate for another name, or of an unknown authority, is refused', async () => {
    const other = await clientWith({ lookup, ca: pem.cert }).get(`https://other.example:${port}/`, TIME_ENOUGH);
    assert.match(other.kind === 'failed' ? other.reason : '', /ERR_TLS_CERT_ALTNAME_INVALID/);
    const unknown = await clientWith({ lookup }).get(`https://customer.example:${port}/`, TIME_ENOUGH);
    assert.match(unknown.kind === 'failed' ? unknown.reason : '', /SELF_SIGNED|self-signed/);
  });
});
