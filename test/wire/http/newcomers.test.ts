import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type RequestListener, type Server } from 'node:http';
import { Agent as SecureAgent, createServer as createSecureServer, request as requestSecurely } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { makeSecretKey, SecretKeys } from '../../../src/base/secret-keys.ts';
import { Newcomers } from '../../../src/http/newcomers.ts';
import { selfSignedCertificate } from '../../../src/http/self-signed.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Longer than any of these tests. */
const FOR_EVER_MS = 600_000;
const CROWD = 60;
const CROWDS_ADDRESS = '127.0.0.2';
const STRANGERS_ADDRESS = '127.0.0.3';

let server: Server;
let newcomers: Newcomers;
/** Connections that have come, whether they wait or not. */
let arrived: number;
/** Connections that HTTP has got. */
let taken: Socket[];
let sockets: Socket[];
let agent: Agent;
let secureAgent: SecureAgent;

async function start(
  silenceMs = FOR_EVER_MS,
  create: (listener: RequestListener) => Server = createServer,
): Promise<void> {
  newcomers = new Newcomers(silenceMs);
  server = create((asked, response) => {
    if (asked.url === '/right') newcomers.verified(asked.socket);
    response.end();
  });
  server.on('connection', (socket: Socket) => taken.push(socket));
  newcomers.guard(server);
  server.on('connection', () => arrived++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

beforeEach(() => {
  arrived = 0;
  taken = [];
  sockets = [];
  agent = new Agent({ keepAlive: true });
  secureAgent = new SecureAgent({ keepAlive: true });
});
afterEach(async () => {
  agent.destroy();
  secureAgent.destroy();
  for (const socket of sockets) socket.destroy();
  newcomers.open();
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
});

const port = (): number => (server.address() as AddressInfo).port;

async function openSilently(count: number): Promise<void> {
  const opened = Array.from({ length: count }, async () => {
    const socket = connect({ port: port(), host: '127.0.0.1', localAddress: CROWDS_ADDRESS });
    socket.on('error', () => {});
    sockets.push(socket.resume());
    await once(socket, 'connect');
  });
  const before = arrived;
  await Promise.all(opened);
  await until(() => arrived === before + count);
}

/** On a connection of its own, which stays open. */
async function ask(path: string, localAddress: string): Promise<number | undefined> {
  const asked = request({ agent, host: '127.0.0.1', port: port(), localAddress, path }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response.statusCode;
}

async function askSecurely(): Promise<number | undefined> {
  const options = { agent: secureAgent, host: '127.0.0.1', port: port(), rejectUnauthorized: false };
  const [response] = (await once(requestSecurely(options).end(), 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}

test('a crowd that opens connections and asks nothing is not taken, and holds nobody up', async () => {
  await start();
  await openSilently(CROWD);
  assert.equal(await ask('/', STRANGERS_ADDRESS), 200);
  assert.equal(await ask('/', CROWDS_ADDRESS), 200);
  assert.equal(taken.length, 2);
});

test('however many connect and ask at once, all are answered', async () => {
  await start();
  const answers = await Promise.all(Array.from({ length: CROWD }, () => ask('/', STRANGERS_ADDRESS)));
  assert.deepEqual(new Set(answers), new Set([200]));
});

test('a stranger does not wait for all others of a crowd that asks at once after a silence', async () => {
  await start();
  await openSilently(CROWD);
  // All of this is in the kernel before the server sees any of it.
  for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const before = await new Promise<number>((resolve) => {
    void ask('/', STRANGERS_ADDRESS).then(() => resolve(taken.length));
  });
  assert.ok(before < CROWD, `${before} were taken before`);
  await until(() => taken.length === CROWD + 1);
});

test('a connection with TLS waits and is heard as one without', async () => {
  const directory = temporaryDirectory();
  const keys = new SecretKeys([makeSecretKey()]);
  const log = createLogger({ level: 'silent' });
  const tls = await selfSignedCertificate({ directory: directory.path, nowMs: Date.now(), keys, log });
  directory.remove();
  await start(FOR_EVER_MS, (listener) => createSecureServer(tls, listener));
  await openSilently(CROWD);
  const answers = await Promise.all(Array.from({ length: CROWD }, askSecurely));
  assert.deepEqual(new Set(answers), new Set([200]));
  assert.equal(taken.length, CROWD);
});

test('who keeps silent for too long is closed', async () => {
  await start(1);
  await openSilently(CROWD);
  await until(() => sockets.every((socket) => socket.closed));
  assert.equal(taken.length, 0);
});

test('connections from an address from which somebody got in do not wait', async () => {
  await start();
  assert.equal(await ask('/right', CROWDS_ADDRESS), 200);
  await openSilently(CROWD);
  assert.equal(taken.length, CROWD + 1);
  assert.equal(await ask('/', STRANGERS_ADDRESS), 200);
});

test('those that wait when somebody from their address gets in are taken at once', async () => {
  await start();
  await openSilently(CROWD);
  assert.equal(taken.length, 0);
  sockets[0]?.write('GET /right HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => taken.length === CROWD);
});

test('a client that leaves while it waits is forgotten, whether it reset the connection or ended it', async () => {
  await start();
  await openSilently(CROWD);
  for (const [index, socket] of sockets.entries()) {
    if (index % 2 === 0) socket.resetAndDestroy();
    else socket.end();
  }
  assert.equal(await ask('/', STRANGERS_ADDRESS), 200);
  agent.destroy();
  let open = CROWD;
  while (open > 0) {
    await new Promise(setImmediate);
    server.getConnections((_, count) => {
      open = count;
    });
  }
});

test('when the server stops, nobody waits any longer', async () => {
  await start();
  await openSilently(CROWD);
  assert.equal(taken.length, 0);
  newcomers.open();
  assert.equal(taken.length, CROWD);
  await openSilently(1);
  assert.equal(taken.length, CROWD + 1);
});
