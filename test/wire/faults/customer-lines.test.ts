/** What a customer's client sees of its line to a node, whatever becomes of the line. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { FaultProxy } from '../../faults/fault-proxy.ts';
import { LoadGenerator } from '../../faults/load-generator.ts';
import type { RequestOutcome } from '../../faults/request-log.ts';
import { eventually } from '../../harness/sms-node.ts';

const HOST = '127.0.0.1';
const ACCEPTED = '{"code":"00000","text":"Success","msgid":123456789}';

let node: Server;
let line: FaultProxy;
let load: LoadGenerator;
/** How many requests it read, and whether it answers them. */
let read: number;
let answers: boolean;

function serveNode(): Server {
  const server = createServer((_, response) => {
    read += 1;
    if (answers) response.writeHead(200, { 'content-length': ACCEPTED.length }).end(ACCEPTED);
  });
  return server.listen(0, HOST);
}

async function targetOf(server: Server): Promise<{ host: string; port: number }> {
  if (!server.listening) await once(server, 'listening');
  return { host: HOST, port: (server.address() as AddressInfo).port };
}

function gone(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

beforeEach(async () => {
  read = 0;
  answers = true;
  node = serveNode();
  line = new FaultProxy(await targetOf(node));
  const url = `http://${HOST}:${await line.listen()}`;
  load = new LoadGenerator({
    messagesPerSecond: 100,
    callsPerSecond: 0,
    username: 'customer',
    password: 'none',
    targets: [0, 1].map((node) => ({ node, url })),
    callbackUrl: 'http://customer/result',
  });
});
afterEach(async () => {
  const stopped = load.stop();
  await line.stop();
  await gone(node);
  await stopped;
});

/** Of requests sent from now on, once the first of them has ended. */
async function nextOutcome(): Promise<RequestOutcome['kind']> {
  const from = load.requests.length;
  return eventually('an outcome', async () => load.requests.slice(from).find((one) => one.outcome)?.outcome?.kind);
}

test('a cut while the node has the request is unanswered, as is what meets the line while it is cut', async () => {
  answers = false;
  load.start();
  await eventually('a request', async () => (read > 0 ? true : undefined));
  line.setState({ kind: 'closed' });
  const [first] = load.requests;
  assert.equal(await eventually('an outcome', async () => first?.outcome?.kind), 'unanswered');
  assert.equal(await nextOutcome(), 'unanswered');
  answers = true;
  line.setState({ kind: 'open' });
  await eventually('an answer', async () => ((await nextOutcome()) === 'accepted' ? true : undefined));
});

test('a request that a silent line swallowed has no outcome until the line speaks, and is unanswered then', async () => {
  line.setState({ kind: 'silent' });
  load.start();
  await eventually('a loss', async () => (line.hasSwallowed ? true : undefined));
  const swallowed = load.requests[0];
  assert.equal(swallowed?.outcome, undefined);
  line.setState({ kind: 'open' });
  assert.equal(await eventually('an outcome', async () => swallowed?.outcome?.kind), 'unanswered');
  await eventually('an answer', async () => ((await nextOutcome()) === 'accepted' ? true : undefined));
});

test('a line that was aimed at a node that is gone is unanswered, though the node read nothing', async () => {
  await gone(node);
  load.start();
  assert.equal(await nextOutcome(), 'unanswered');
  assert.equal(read, 0);
});

test('a killed node refuses at its line, and comes back at the same place on another port', async () => {
  await gone(node);
  line.refuse();
  load.start();
  assert.equal(await nextOutcome(), 'refused');
  const before = line.port;
  node = serveNode();
  line.aimAt(await targetOf(node));
  assert.equal(await line.listen(), before);
  await eventually('an answer', async () => ((await nextOutcome()) === 'accepted' ? true : undefined));
});

test('an answer of which the line carried only a part is no answer', async () => {
  node.removeAllListeners('request');
  node.on('request', (_, response) => {
    response.writeHead(200, { 'content-length': ACCEPTED.length });
    response.write(ACCEPTED.slice(0, 20));
    read += 1;
  });
  load.start();
  await eventually('a request', async () => (read > 1 ? true : undefined));
  line.setState({ kind: 'closed' });
  const [first] = load.requests;
  assert.equal(await eventually('an outcome', async () => first?.outcome?.kind), 'unanswered');
});

test('a node that is not to be asked any more gets nothing, and where there is none requests are held', async () => {
  load.start();
  await eventually('a request', async () => (load.requests.some(({ node: asked }) => asked === 1) ? true : undefined));
  load.ask([{ node: 4, url: `http://${HOST}:${line.port}` }]);
  const from = load.requests.length;
  await eventually('requests', async () => (load.requests.length > from + 2 ? true : undefined));
  assert.deepEqual(new Set(load.requests.slice(from).map(({ node: asked }) => asked)), new Set([4]));
  load.ask([]);
  const sent = load.requests.length;
  await eventually('a held request', async () => (load.held > 0 ? true : undefined));
  assert.equal(load.requests.length, sent);
});
