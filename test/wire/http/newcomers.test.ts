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

/** Longer than any of these tests: whoever keeps silent keeps its place. */
const FOR_EVER_MS = 600_000;
/** As http/newcomers.ts has them. */
const PLACES = 4;
const MAX_WAIT_MS = 1_000;
const CROWD = 60;
const CROWDS_ADDRESS = '127.0.0.2';
const STRANGERS_ADDRESS = '127.0.0.3';

let server: Server;
let newcomers: Newcomers;
/** Stands still unless a test moves it. */
let nowMs: number;
/** Connections that have come, whether they wait or not. */
let arrived: number;
/** Connections that HTTP has got. */
let taken: Socket[];
let sockets: Socket[];
let agent: Agent;
let secureAgent: SecureAgent;

async function start(
  options: { heardWithinMs: number },
  create: (listener: RequestListener) => Server = createServer,
): Promise<void> {
  newcomers = new Newcomers({ ...options, now: () => nowMs });
  server = create((asked, response) => {
    newcomers.heard(asked.socket);
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
  nowMs = 0;
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
    sockets.push(socket);
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

test('of a crowd that opens connections and asks nothing only a few are taken', async () => {
  await start({ heardWithinMs: FOR_EVER_MS });
  await openSilently(CROWD);
  assert.equal(taken.length, PLACES);
});

test('a stranger comes next when a place is free, before all others of the crowd', async () => {
  await start({ heardWithinMs: FOR_EVER_MS });
  await openSilently(CROWD);
  await until(() => taken.length === PLACES);
  const ofCrowd = ask('/', CROWDS_ADDRESS);
  await until(() => arrived === CROWD + 1);
  const ofStranger = ask('/', STRANGERS_ADDRESS);
  await until(() => arrived === CROWD + 2);
  // The first of two places goes to the crowd, whose turn it is, the second to the stranger.
  sockets[0]?.destroy();
  sockets[1]?.destroy();
  assert.equal(await ofStranger, 200);
  assert.ok(taken.length < CROWD / 2, `${taken.length} were taken before`);
  newcomers.open();
  assert.equal(await ofCrowd, 200);
});

test('who asks leaves the place to the next: however many connect at once, all are answered', async () => {
  await start({ heardWithinMs: FOR_EVER_MS });
  const answers = await Promise.all(Array.from({ length: CROWD }, () => ask('/', STRANGERS_ADDRESS)));
  assert.deepEqual(new Set(answers), new Set([200]));
});

test('a connection with TLS is waited for and heard as one without', async () => {
  const directory = temporaryDirectory();
  const keys = new SecretKeys([makeSecretKey()]);
  const log = createLogger({ level: 'silent' });
  const tls = await selfSignedCertificate({ directory: directory.path, nowMs: Date.now(), keys, log });
  directory.remove();
  await start({ heardWithinMs: FOR_EVER_MS }, (listener) => createSecureServer(tls, listener));
  const answers = await Promise.all(Array.from({ length: CROWD }, askSecurely));
  assert.deepEqual(new Set(answers), new Set([200]));
  await openSilently(CROWD);
  await until(() => taken.length === CROWD + PLACES);
});

test('who keeps silent loses the place after a while', async () => {
  await start({ heardWithinMs: 1 });
  await openSilently(CROWD);
  await until(() => taken.length === CROWD);
});

test('nobody waits longer than a while, however many keep silent', async () => {
  await start({ heardWithinMs: FOR_EVER_MS });
  await openSilently(CROWD);
  assert.equal(taken.length, PLACES);
  nowMs += MAX_WAIT_MS;
  // One place becomes free, and the line is looked at.
  sockets[0]?.destroy();
  await until(() => taken.length === CROWD);
});

test('connections from an address from which somebody got in do not wait', async () => {
  await start({ heardWithinMs: FOR_EVER_MS });
  const first = ask('/right', CROWDS_ADDRESS);
  assert.equal(await first, 200);
  await openSilently(CROWD);
  await until(() => taken.length === CROWD + 1);
  assert.equal(await ask('/', STRANGERS_ADDRESS), 200);
});

test('those that wait when somebody from their address gets in are taken at once', async () => {
  await start({ heardWithinMs: FOR_EVER_MS });
  await openSilently(CROWD);
  await until(() => taken.length === PLACES);
  sockets[0]?.write('GET /right HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => taken.length === CROWD);
});

test('a client that leaves while it waits costs nothing', async () => {
  await start({ heardWithinMs: FOR_EVER_MS });
  await openSilently(CROWD);
  await until(() => taken.length === PLACES);
  for (const socket of sockets) socket.resetAndDestroy();
  assert.equal(await ask('/', STRANGERS_ADDRESS), 200);
  agent.destroy();
  await until(() => taken.every((socket) => socket.destroyed));
});

test('when the server stops, nobody waits any longer', async () => {
  await start({ heardWithinMs: FOR_EVER_MS });
  await openSilently(CROWD);
  await until(() => taken.length === PLACES);
  newcomers.open();
  assert.equal(taken.length, CROWD);
  await openSilently(1);
  await until(() => taken.length === CROWD + 1);
});
