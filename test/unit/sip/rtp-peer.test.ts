/** Speech goes where the SDP says, follows a NAT, and cannot be led away by a stranger. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RtpPacket } from '../../../src/sip/rtp-packet.ts';
import { type RtpAddress, RtpPeer } from '../../../src/sip/rtp-peer.ts';

const described: RtpAddress = { address: '192.0.2.10', port: 4000 };
const natted: RtpAddress = { address: '192.0.2.10', port: 51_234 };
const stranger: RtpAddress = { address: '203.0.113.9', port: 4000 };

function packet(sequence: number, ssrc = 1): RtpPacket {
  return { payloadType: 8, marker: false, sequence, timestamp: 0, ssrc, payload: Buffer.alloc(160) };
}

function hear(peer: RtpPeer, source: RtpAddress, sequences: readonly number[], ssrc = 1): boolean[] {
  return sequences.map((sequence) => peer.accepts(source, packet(sequence, ssrc)));
}

test('nothing heard, it goes to the address of the SDP', () => {
  assert.deepEqual(new RtpPeer(described).destination, described);
});

test('three packets in sequence from another port of the same host move it there, across the wrap', () => {
  const peer = new RtpPeer(described);
  assert.deepEqual(hear(peer, natted, [0xfffe, 0xffff]), [true, true]);
  assert.deepEqual(peer.destination, described);
  hear(peer, natted, [0]);
  assert.deepEqual(peer.destination, natted);
});

test('it moves once only', () => {
  const peer = new RtpPeer(described);
  hear(peer, natted, [1, 2, 3]);
  hear(peer, { ...natted, port: 60_000 }, [1, 2, 3, 4, 5]);
  assert.deepEqual(peer.destination, natted);
});

test('packets out of sequence, of changing SSRC or changing port move nothing', () => {
  const peer = new RtpPeer(described);
  hear(peer, natted, [1, 3, 5, 7, 9]);
  for (const ssrc of [1, 2, 3, 4]) hear(peer, natted, [ssrc], ssrc);
  for (const port of [50_001, 50_002, 50_003, 50_004]) hear(peer, { ...natted, port }, [port]);
  assert.deepEqual(peer.destination, described);
});

test('a packet from the very address of the SDP settles it', () => {
  const peer = new RtpPeer(described);
  hear(peer, natted, [1, 2]);
  hear(peer, described, [9]);
  hear(peer, natted, [3, 4, 5, 6]);
  assert.deepEqual(peer.destination, described);
});

test('a stranger is not heard and leads nothing away', () => {
  const peer = new RtpPeer(described);
  assert.deepEqual(hear(peer, stranger, [1, 2, 3, 4]), [false, false, false, false]);
  assert.deepEqual(peer.destination, described);
});

test('the host of the signalling may be the one that sends, when the SDP holds an inner address', () => {
  const peer = new RtpPeer({ address: '10.0.0.5', port: 4000 }, '203.0.113.9');
  assert.deepEqual(hear(peer, stranger, [1, 2, 3]), [true, true, true]);
  assert.deepEqual(peer.destination, stranger);
});

test('addresses are compared, not their spelling', () => {
  const peer = new RtpPeer({ address: '2001:DB8:0:0::1', port: 4000 });
  assert.equal(peer.accepts({ address: '2001:db8::1', port: 4000 }, packet(1)), true);
  assert.equal(peer.describes({ address: '2001:db8::1', port: 4000 }), true);
  const mapped = new RtpPeer(described);
  hear(mapped, { address: '::ffff:192.0.2.10', port: 51_234 }, [1, 2, 3]);
  assert.deepEqual(mapped.destination, natted);
});

test('packets from port 0, to which nothing can be sent, are dropped', () => {
  const peer = new RtpPeer(described);
  assert.deepEqual(hear(peer, { ...described, port: 0 }, [1, 2, 3, 4]), [false, false, false, false]);
  assert.deepEqual(peer.destination, described);
});
