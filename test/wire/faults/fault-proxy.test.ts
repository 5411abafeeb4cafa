import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { FaultProxy } from '../../faults/fault-proxy.ts';

const SLOW_MS = 80;

let echo: Server;
let proxy: FaultProxy;
let port: number;
beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = new FaultProxy({ host: '127.0.0.1', port: (echo.address() as AddressInfo).port });
  port = await proxy.listen();
});
afterEach(async () => {
  await proxy.stop();
  await new Promise((resolve) => echo.close(resolve));
});

async function open(): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** A reset is an error first, which `once` would reject with. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

async function said(socket: Socket, text: string): Promise<string> {
  const heard = once(socket, 'data');
  socket.write(text);
  return String((await heard)[0]);
}

test('an open line carries both ways, and its end', async () => {
  const socket = await open();
  assert.equal(await said(socket, 'hello'), 'hello');
  const ended = once(socket, 'end');
  socket.end();
  await ended;
});

test('a cut ends what is open with a reset, and closed refuses what is new', async () => {
  const socket = await open();
  assert.equal(await said(socket, 'a'), 'a');
  const ended = closed(socket);
  assert.equal(proxy.met, 0);
  proxy.setState({ kind: 'closed' });
  await ended;
  assert.equal(proxy.met, 1);
  const refused = connect({ host: '127.0.0.1', port });
  refused.on('error', () => {});
  await closed(refused);
  assert.equal(proxy.met, 2);
});

test('a silent line swallows without a word, and its connection ends when it speaks again', async () => {
  const socket = await open();
  assert.equal(await said(socket, 'a'), 'a');
  proxy.setState({ kind: 'silent' });
  let isHeard = false;
  socket.on('data', () => {
    isHeard = true;
  });
  socket.write('lost');
  while (!proxy.hasSwallowed) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isHeard || socket.destroyed, false);
  assert.ok(proxy.met > 0);
  const ended = closed(socket);
  proxy.setState({ kind: 'open' });
  await ended;
  assert.equal(isHeard, false);
  assert.equal(await said(await open(), 'b'), 'b');
});

test('a slow line is late by its delay each way and keeps the order', async () => {
  const socket = await open();
  proxy.setState({ kind: 'slow', delayMs: SLOW_MS });
  const startedMs = performance.now();
  assert.equal(await said(socket, 'late'), 'late');
  assert.ok(performance.now() - startedMs >= 2 * SLOW_MS - 5);
  assert.equal(proxy.met, 2, 'once each way');
  proxy.setState({ kind: 'open' });
  assert.equal(await said(socket, 'soon'), 'soon');
  socket.destroy();
});
