/** A stream is cut into the same PDUs however it arrives, with bounded memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader, MAX_PDU_BYTES } from '../../../src/smpp/framing.ts';
import { encodePdu } from '../../../src/smpp/pdu.ts';
import { anyPdu } from './pdu-arbitraries.ts';

function frameOf(length: number, fill = 0xab): Buffer {
  const frame = Buffer.alloc(length, fill);
  frame.writeUInt32BE(length, 0);
  return frame;
}

test('however a stream is divided, the frames are the same', () => {
  fc.assert(
    fc.property(
      fc.array(anyPdu, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }),
      (pdus, cuts) => {
        const frames = pdus.map(encodePdu);
        const stream = Buffer.concat(frames);
        const reader = new FrameReader();
        const seen: Buffer[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const size = cuts[turn % cuts.length] ?? 1;
          const result = reader.feed(stream.subarray(at, at + size));
          assert.equal(result.broken, undefined);
          seen.push(...result.frames);
          at += size;
        }
        assert.deepEqual(seen, frames);
      },
    ),
    { numRuns: 500 },
  );
});

test('the largest PDU arrives byte by byte', () => {
  const frame = frameOf(MAX_PDU_BYTES);
  const reader = new FrameReader();
  for (let at = 0; at < frame.length - 1; at += 1) {
    assert.equal(reader.feed(frame.subarray(at, at + 1)).frames.length, 0);
  }
  assert.deepEqual(reader.feed(frame.subarray(frame.length - 1)).frames, [frame]);
});

test('a length no PDU can have breaks the stream for good, after the frames before it', () => {
  for (const length of [0, 15, MAX_PDU_BYTES + 1, 0xffffffff]) {
    const bad = Buffer.alloc(20);
    bad.writeUInt32BE(length, 0);
    const reader = new FrameReader();
    const result = reader.feed(Buffer.concat([frameOf(16), bad]));
    assert.deepEqual(result.frames, [frameOf(16)]);
    assert.match(result.broken ?? '', /command_length/);
    assert.deepEqual(reader.feed(frameOf(16)), { frames: [], broken: result.broken });
  }
});

test('a bad length in pieces is noticed with its fourth byte', () => {
  const reader = new FrameReader();
  for (const byte of [0, 0, 0]) assert.equal(reader.feed(Buffer.of(byte)).broken, undefined);
  assert.match(reader.feed(Buffer.of(3)).broken ?? '', /command_length of 3/);
});
