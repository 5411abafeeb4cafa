import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { IncomingConnections } from '../../../src/sip/incoming-connections.ts';

const PEER = '192.0.2.1';

class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  readonly remotePort: number;
  destroyed = false;

  constructor(address: string, port: number) {
    super();
    this.remoteAddress = address;
    this.remotePort = port;
  }

  destroy(): this {
    if (!this.destroyed) this.emit('close');
    this.destroyed = true;
    return this;
  }
}

function stage(max: number) {
  const connections = new IncomingConnections({ max });
  connections.know(PEER);
  let port = 1;
  const open = (address: string, speaks: boolean): FakeSocket => {
    const socket = new FakeSocket(address, port++);
    connections.admit('tcp', socket as never);
    if (speaks) connections.heard('tcp', { address, port: socket.remotePort });
    return socket;
  };
  return { connections, open };
}

test('the silent stranger who came first makes room for anybody', () => {
  const { open } = stage(3);
  const talker = open('203.0.113.1', true);
  const [first, second] = [open('203.0.113.2', false), open('203.0.113.3', false)];
  const third = open('203.0.113.4', true);
  assert.deepEqual(
    [talker, first, second, third].map(({ destroyed }) => destroyed),
    [false, true, false, false],
  );
});

test('where all have spoken a stranger finds no room, and a peer takes that of the stranger silent for longest', () => {
  const { connections, open } = stage(2);
  const [first, second] = [open('203.0.113.1', true), open('203.0.113.2', true)];
  assert.equal(open('203.0.113.3', false).destroyed, true);
  connections.heard('tcp', { address: '203.0.113.1', port: first.remotePort });
  const peer = open(`::ffff:${PEER}`, false);
  assert.deepEqual([first.destroyed, second.destroyed, peer.destroyed], [false, true, false]);
});

test('a silent peer is closed for no stranger, and for another connection of a peer as the last', () => {
  const { open } = stage(2);
  const [old, stranger] = [open(PEER, false), open('203.0.113.1', true)];
  assert.equal(open('203.0.113.2', false).destroyed, true);
  open(PEER, true);
  assert.deepEqual([old.destroyed, stranger.destroyed], [false, true]);
  open(PEER, true);
  assert.equal(old.destroyed, true);
});

test('a place that was left is free, and an IPv6 peer is known however it is written', () => {
  const { connections, open } = stage(1);
  const first = open('203.0.113.1', true);
  first.destroy();
  const second = open('203.0.113.1', true);
  assert.equal(second.destroyed, false);
  connections.know('2001:DB8:0:0::1');
  assert.equal(open('2001:db8::1', false).destroyed, false);
  assert.equal(second.destroyed, true);
});

test('a stranger who says nothing is closed in the end, a peer is not', async () => {
  const connections = new IncomingConnections({ maxSilentMs: 5 });
  connections.know(PEER);
  const sockets = ['203.0.113.1', '203.0.113.2', PEER].map((address, port) => new FakeSocket(address, port));
  const [silent, talker, peer] = sockets as [FakeSocket, FakeSocket, FakeSocket];
  // Or nothing would keep the process until the timer.
  const keep = setInterval(() => {}, 1_000);
  const closed = once(silent, 'close');
  for (const socket of [talker, peer, silent]) connections.admit('tcp', socket as never);
  connections.heard('tcp', { address: talker.remoteAddress, port: talker.remotePort });
  await closed;
  clearInterval(keep);
  assert.deepEqual([talker.destroyed, peer.destroyed], [false, false]);
});
