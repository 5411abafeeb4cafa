import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { Agent, get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { connect, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { MetricsServer } from '../../../src/http/metrics-server.ts';
import { createLogger } from '../../../src/base/log.ts';
import { makeSecretKey, SecretKeys } from '../../../src/base/secret-keys.ts';
import { selfSignedCertificate } from '../../../src/http/self-signed.ts';
import type { MountedRequest } from '../../../src/http/services.ts';
import { ask, NOON_MS, type Platform, startPlatform } from './platform.ts';
import { temporaryDirectory } from './temporary-directory.ts';

let platform: Platform;
/** libuv reads 64 KiB 32 times before it turns to anything else, and so once more than was asked for. */
const READ_AHEAD_BYTES = 33 * 65_536;
const mounted: MountedRequest[] = [];
const SEND = '/json/sms_send.php?username=test&password=1234&mobile=0911222333&message=hello';

before(async () => {
  platform = await startPlatform({
    mount: {
      prefix: '/simulator/',
      handle: async (request) => {
        mounted.push(request);
        if (request.path.endsWith('/fault')) throw new Error('a fault of the mounted room');
        if (request.path.endsWith('.wav'))
          return { status: 200, body: Buffer.from([0, 255]), contentType: 'audio/wav' };
        return { status: 201, body: '{"mounted":true}' };
      },
    },
  });
  await platform.addAccount('test');
});
after(() => platform.stop());
beforeEach(() => {
  platform.accepted.length = 0;
  platform.isReady = true;
});

/** What comes back until the server closes; the sending side stays open. */
async function exchange(bytes: Buffer | string): Promise<string> {
  const socket = connect(platform.port, '127.0.0.1').on('error', () => {});
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString();
  });
  // Not `once`, which rejects when the server has closed before all was written.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(bytes);
  await closed;
  return received;
}

test('methods other than GET and POST are 405 and do nothing', async () => {
  for (const method of ['HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'QUERY']) {
    const response = await platform.ask(SEND, { method });
    assert.equal(response.status, 405, method);
    assert.equal(response.headers.allow, 'GET, POST');
  }
  assert.equal((await platform.ask('/healthz', { method: 'POST' })).status, 405);
  assert.deepEqual(platform.accepted, []);
});

test('CONNECT is answered 405, to an endpoint and to a host', async () => {
  for (const target of [SEND, 'example.com:443']) {
    const answer = await exchange(`CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 405 Method Not Allowed\r\nAllow: GET, POST\r\n/, target);
  }
  assert.deepEqual(platform.accepted, []);
});

test('unknown paths are 404', async () => {
  for (const path of ['/', '/json/', '/json/sms_send', '/JSON/sms_send.php', '/json/sms_send.php/x', '/smsSend.php']) {
    assert.equal((await platform.ask(path)).status, 404, path);
  }
});

test('a path that cannot be decoded is 400, and nothing of the request comes back', async () => {
  const response = await platform.ask(`/json/%zz?${SEND.split('?')[1]}`);
  assert.equal(response.status, 400);
  assert.equal(response.body.length, 0);
});

test('a body over 1 MiB is 413, with and without its length announced', async () => {
  const body = Buffer.alloc(1_048_577, 'a');
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
  assert.equal((await platform.ask(SEND, { method: 'POST', headers, body })).status, 413);
  const chunked = { ...headers, 'Transfer-Encoding': 'chunked' };
  assert.equal((await platform.ask(SEND, { method: 'POST', headers: chunked, body })).status, 413);
  assert.deepEqual(platform.accepted, []);
  assert.equal((await platform.ask(SEND, { method: 'POST', headers, body: body.subarray(1) })).status, 200);
});

test('of a body of 10 MB no more is read than the 1 MiB that a body may have, and what is under way', async () => {
  const head = `POST ${SEND} HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n`;
  const body = Buffer.alloc(10_485_760, 'a');
  const inOneChunk = Buffer.concat([Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\na00000\r\n`), body]);
  const announced = Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body]);
  for (const [bytes, most] of [
    [inOneChunk, 1_048_576 + READ_AHEAD_BYTES],
    [announced, READ_AHEAD_BYTES],
  ] as const) {
    const connections: Socket[] = [];
    const note = (message: unknown): void => void connections.push((message as { socket: Socket }).socket);
    subscribe('http.server.request.start', note);
    // A client that writes on may see the reset before it has read the answer.
    assert.match(await exchange(bytes), /^(?:HTTP\/1\.1 413 |$)/);
    unsubscribe('http.server.request.start', note);
    const read = connections[0]?.bytesRead ?? assert.fail();
    assert.ok(read <= most, `${read} bytes were read`);
  }
  assert.deepEqual(platform.accepted, []);
});

test('a GET as long as the longest message, encoded twice, with a drurl fits', async () => {
  const message = '%25A7%2541'.repeat(335);
  const drurl = `http://127.0.0.1/${'x'.repeat(1_900)}`;
  const path = `/json/sms_send.php?username=test&password=1234&mobile=0911222333&drurl_check=N&drurl=${drurl}&message=${message}`;
  assert.equal((await platform.ask(path)).json().code, '00000');
  assert.equal(platform.accepted[0]?.body, '你'.repeat(335));
  assert.equal((await platform.ask(`${SEND}${'x'.repeat(70_000)}`)).status, 431);
});

test('raw bytes in the request line reach the account as text', async () => {
  const socket = connect(platform.port, '127.0.0.1');
  socket.write(Buffer.from(`GET ${SEND}你好 HTTP/1.1\r\nHost: a\r\n\r\n`));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /"code":"00000"/);
  assert.equal(platform.accepted[0]?.body, 'hello你好');
  socket.destroy();
});

test('broken requests get their error and harm nobody else', async () => {
  for (const bytes of [
    '\0\0\0\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    `POST ${SEND} HTTP/1.1\r\nContent-Length: x\r\n\r\n`,
    `GET ${SEND} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`,
    `GET ${SEND} HTTP/1.1\r\nHost: a\r\nX-Other: b\r\nHOST: a\r\n\r\nGET ${SEND} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `POST ${SEND} HTTP/1.1\r\nHost: a\r\nhost: a\r\nContent-Length: 9\r\n\r\nbody`,
    `GET ${SEND}é HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n`,
  ]) {
    assert.match(await exchange(bytes), /^HTTP\/1\.1 400 /, JSON.stringify(bytes));
  }
  assert.equal((await platform.ask(SEND)).json().code, '00000');
  assert.equal(platform.accepted.length, 1);
});

test('a request line without a version, or of another HTTP than 1, is 505, charges nothing and ends its connection', async () => {
  for (const bytes of [
    `GET ${SEND}\r\n\r\n`,
    `GET ${SEND}\r\nHost: a\r\n\r\n`,
    `GET ${SEND} HTTP/0.9\r\nHost: a\r\n\r\n`,
    `GET ${SEND} HTTP/2.0\r\nHost: a\r\n\r\n`,
    `GET ${SEND}\xff\r\n\r\n`,
    `POST ${SEND}\r\nHost: a\r\nContent-Length: 9\r\n\r\nmessage=a`,
    `GET ${SEND}\r\n\r\nGET ${SEND} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ]) {
    const received = await exchange(Buffer.from(bytes, 'latin1'));
    assert.match(received, /^HTTP\/1\.1 505 /, JSON.stringify(bytes));
    assert.equal(received.split('HTTP/1.1 ').length, 2, received);
  }
  assert.match(await exchange(`GET ${SEND} HTTP/1.0\r\n\r\n`), /"code":"00000"/);
  assert.equal(platform.accepted.length, 1);
});

test('a URL in absolute form is the same request, at the endpoints and in a mounted room', async () => {
  for (const origin of ['http://a', 'HTTP://A:80', 'https://a.example:8443']) {
    assert.equal((await platform.ask(origin + SEND)).json().code, '00000', origin);
    assert.equal((await platform.ask(origin + SEND, { method: 'HEAD' })).status, 405);
    assert.equal((await platform.ask(`${origin}/simulator/handsets?wait=5`)).status, 201);
    const request = mounted.at(-1) ?? assert.fail();
    assert.deepEqual([request.path, request.query.get('wait')], ['/simulator/handsets', '5']);
    // The room lets pass by it who may ask (RFC 9112 §3.2.2: what Host says is of no account).
    assert.equal(request.headers.host, origin.split('//')[1]);
  }
  for (const none of ['http://a', 'http://a?x', `ftp://a${SEND}`]) {
    assert.equal((await platform.ask(none)).status, 404, none);
  }
  assert.equal(platform.accepted.length, 3);
});

test('a Content-Type that is no media type gets the code of the contract, not 415', async () => {
  const [path = '', query = ''] = SEND.split('?');
  for (const type of ['garbage', 'utf-8', 'text/', '/', 'a/b, c/d', 'application/x-www-form-urlencoded, a', 'a b/c']) {
    const headers = { 'Content-Type': type };
    const inQuery = await platform.ask(SEND, { method: 'POST', headers, body: 'message=other' });
    assert.deepEqual([inQuery.status, inQuery.json().code], [200, '00000'], type);
    const inBody = await platform.ask(path, { method: 'POST', headers, body: query });
    assert.deepEqual([inBody.status, inBody.json().code], [200, '00010'], type);
  }
  assert.deepEqual([...new Set(platform.accepted.map(({ body }) => body))], ['hello']);
  const empty = await platform.ask(path, { method: 'POST', headers: { 'Content-Type': '' }, body: query });
  assert.equal(empty.json().code, '00000');
  assert.equal(
    (await platform.ask('/none', { method: 'POST', headers: { 'Content-Type': '?' }, body: 'a' })).status,
    404,
  );
});

test('a client that ends its side after the request gets its answer, and the connection ends with it', async () => {
  for (const version of ['1.0', '1.1']) {
    const socket = connect({ host: '127.0.0.1', port: platform.port, allowHalfOpen: true });
    socket.end(`GET ${SEND} HTTP/${version}\r\nHost: x\r\n\r\n`);
    let answer = '';
    for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.match(answer, /"code":"00000"/);
  }
  assert.equal(platform.accepted.length, 2);
});

test('/healthz and /readyz are 200 once everything is up, else 503', async () => {
  for (const path of ['/healthz', '/readyz']) {
    platform.isReady = true;
    assert.equal((await platform.ask(path)).status, 200);
    platform.isReady = false;
    assert.equal((await platform.ask(path)).status, 503);
  }
});

test('a mounted room gets method, path, query, headers and body, and its faults are 500', async () => {
  const response = await platform.ask('/simulator/handsets/09%31/messages?wait=5&x=%E4%BD%A0', {
    method: 'POST',
    headers: { Origin: 'http://a' },
    body: '{"to":1}',
  });
  assert.equal(response.status, 201);
  assert.equal(response.body, '{"mounted":true}');
  const request = mounted.at(-1) ?? assert.fail();
  assert.deepEqual([request.method, request.path], ['POST', '/simulator/handsets/09%31/messages']);
  assert.deepEqual([request.query.get('wait'), request.query.get('x')], ['5', '你']);
  assert.equal(request.headers.origin, 'http://a');
  assert.equal(request.body.toString(), '{"to":1}');
  assert.equal((await platform.ask('/simulator/fault')).status, 500);
  assert.equal((await platform.ask('/simulator/fault', { method: 'HEAD' })).status, 405);
});

test('a mounted room may answer bytes of a type of its own', async () => {
  const response = await fetch(`http://127.0.0.1:${platform.port}/simulator/heard.wav`);
  assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'audio/wav']);
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), Buffer.from([0, 255]));
});

test('https answers as http does, with a certificate for api.twsms.com that survives a restart', async () => {
  const directory = temporaryDirectory();
  const keys = new SecretKeys([makeSecretKey()]);
  const options = { directory: directory.path, nowMs: NOON_MS, keys, log: createLogger({ level: 'silent' }) };
  const tls = await selfSignedCertificate(options);
  assert.deepEqual(await selfSignedCertificate(options), tls);
  const renewed = await selfSignedCertificate({ ...options, nowMs: NOON_MS + 800 * 86_400_000 });
  assert.notEqual(renewed.cert, tls.cert);
  await platform.server.listenHttps({ host: '127.0.0.1', port: 0, tls });
  const address = platform.server.addresses().find(({ scheme }) => scheme === 'https') ?? assert.fail();
  for (const servername of ['api.twsms.com', 'localhost']) {
    const request = getHttps({
      host: '127.0.0.1',
      port: address.port,
      path: SEND,
      servername,
      ca: tls.cert,
      agent: false,
    });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    assert.match(String(await response.toArray()), /"code":"00000"/);
  }
  directory.remove();
});

test('99999: the database cannot be reached, in authentication too', async () => {
  const away = await startPlatform();
  await away.addAccount('test');
  assert.equal((await away.ask(SEND)).json().code, '00000');
  await away.dropDatabase();
  away.accounts.forget('test');
  assert.equal((await away.ask(SEND)).json().code, '99999');
  assert.equal((await away.ask(SEND.replace('sms_send', 'sms_query'))).json().code, '99999');
  await away.stop();
});

test('stopping answers what is in flight, refuses new connections and closes idle ones', async () => {
  const stopped = await startPlatform();
  await stopped.addAccount('test');
  const agent = new Agent({ keepAlive: true });
  const idle = getHttp({ host: '127.0.0.1', port: stopped.port, path: '/healthz', agent });
  const [response] = (await once(idle, 'response')) as [IncomingMessage];
  response.resume();
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  stopped.acceptOutcome = async () => {
    reached.resolve();
    await held.promise;
    return { kind: 'accepted', msgid: 1 };
  };
  const inFlight = stopped.ask(SEND);
  await reached.promise;
  const stopping = stopped.server.stop();
  await assert.rejects(ask(stopped.port, '/healthz'), { code: 'ECONNREFUSED' });
  held.resolve();
  assert.equal((await inFlight).json().code, '00000');
  await stopping;
  assert.deepEqual(stopped.server.addresses(), []);
  agent.destroy();
  await stopped.stop();
});

test('/metrics is on a port of its own', async () => {
  const server = new MetricsServer(platform.metrics);
  await server.listen({ host: '127.0.0.1', port: 0 });
  const port = server.address()?.port ?? assert.fail();
  const metrics = await ask(port, '/metrics');
  assert.equal(metrics.status, 200);
  for (const name of ['feige_answers_total', 'feige_unresolved_commits_total', 'feige_event_loop_delay_seconds']) {
    assert.match(metrics.body, new RegExp(`^${name}`, 'm'));
  }
  assert.equal((await ask(port, '/')).status, 404);
  assert.equal((await platform.ask('/metrics')).status, 404);
  await server.stop();
});
