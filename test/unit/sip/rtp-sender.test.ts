/** Packets of a stream are numbered without a gap, and their timestamps follow the time that passes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeG711, PCMA, PCMU } from '../../../src/sip/g711.ts';
import { readRtp, type RtpPacket } from '../../../src/sip/rtp-packet.ts';
import { RtpSender, SAMPLES_PER_PACKET } from '../../../src/sip/rtp-sender.ts';

function read(bytes: Buffer): RtpPacket {
  const packet = readRtp(bytes);
  assert.ok(packet !== undefined);
  return packet;
}

function senderOf(...numbers: number[]): RtpSender {
  return new RtpSender(() => numbers.shift() ?? 0);
}

test('SSRC, sequence and timestamp begin at random numbers and wrap', () => {
  const sender = senderOf(0xcafe_babe, 0x1234_ffff, 0xffff_ff80);
  const silence = new Int16Array(0);
  const [first, second] = [read(sender.packet(PCMA, silence, 0)), read(sender.packet(PCMU, silence, 0))];
  assert.deepEqual(
    [first.ssrc, first.sequence, first.timestamp, first.marker],
    [0xcafe_babe, 0xffff, 0xffff_ff80, true],
  );
  assert.deepEqual([second.ssrc, second.sequence, second.timestamp, second.marker], [0xcafe_babe, 0, 0x20, false]);
  assert.deepEqual(
    [...first.payload],
    Array.from({ length: SAMPLES_PER_PACKET }, () => 0xd5),
  );
  assert.deepEqual(
    [...second.payload],
    Array.from({ length: SAMPLES_PER_PACKET }, () => 0xff),
  );
});

test('after a time without packets the timestamp is where it would have been, the sequence goes on, the marker is set', () => {
  const sender = senderOf(1, 10, 1000);
  read(sender.packet(PCMA, new Int16Array(0), 0));
  sender.skip(3);
  const next = read(sender.packet(PCMA, new Int16Array(0), 0));
  assert.deepEqual([next.sequence, next.timestamp, next.marker], [11, 1000 + 4 * SAMPLES_PER_PACKET, true]);
});

test('the packets together are the samples, and silence after them', () => {
  fc.assert(
    fc.property(fc.int16Array({ maxLength: 700 }), fc.constantFrom(PCMA, PCMU), (samples, law) => {
      const sender = senderOf(1, 2, 3);
      const payloads = Array.from(
        { length: 6 },
        (_, index) => read(sender.packet(law, samples, index * SAMPLES_PER_PACKET)).payload,
      );
      const expected = new Int16Array(6 * SAMPLES_PER_PACKET);
      expected.set(samples);
      assert.deepEqual(Buffer.concat(payloads), encodeG711(law, expected));
    }),
    { numRuns: 200 },
  );
});
