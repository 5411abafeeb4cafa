/** RTP packets come back as they were written; whatever else arrives is refused without an exception. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readRtp, RTP_HEADER_BYTES, type RtpPacket, writeRtp } from '../../../src/sip/rtp-packet.ts';

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const anyPacket: fc.Arbitrary<RtpPacket> = fc
  .record(
    {
      payloadType: fc.integer({ min: 0, max: 127 }),
      marker: fc.boolean(),
      sequence: fc.integer({ min: 0, max: 0xffff }),
      timestamp: uint32,
      ssrc: uint32,
      payload: fc.uint8Array({ maxLength: 320 }).map((bytes) => Buffer.from(bytes)),
    },
    { noNullPrototype: true },
  )
  .filter(({ marker, payloadType }) => !(marker && payloadType >= 64 && payloadType <= 95));

const sample: RtpPacket = {
  payloadType: 8,
  marker: true,
  sequence: 0xfffe,
  timestamp: 0xfffffff0,
  ssrc: 0xdeadbeef,
  payload: Buffer.from('d5d5d5d5', 'hex'),
};

/** `sample` with two contributing sources, an extension of one word and three octets of padding. */
const decorated = Buffer.from('b288fffefffffff0deadbeef00000001000000021234000155667788d5d5d5d5000003', 'hex');

test('what was written is read back', () => {
  fc.assert(
    fc.property(anyPacket, (packet) => {
      assert.deepEqual(readRtp(writeRtp(packet)), packet);
    }),
    { numRuns: 2000 },
  );
});

test('a packet has the octets of RFC 3550 §5.1', () => {
  assert.equal(writeRtp(sample).toString('hex'), '8088fffefffffff0deadbeefd5d5d5d5');
});

test('contributing sources, extension and padding are skipped', () => {
  assert.deepEqual(readRtp(decorated), sample);
});

test('what cannot be RTP is refused', () => {
  const good = writeRtp(sample);
  const refused: Record<string, Buffer> = {
    'no octets': Buffer.alloc(0),
    'a cut header': good.subarray(0, RTP_HEADER_BYTES - 1),
    'version 1': Buffer.from(good).fill(0x40, 0, 1),
    'a STUN request': Buffer.from('000100002112a442000000000000000000000000', 'hex'),
    'an RTCP sender report': Buffer.from('80c80006deadbeef00000000000000000000000000000000', 'hex'),
    'sources that are not there': Buffer.from(good).fill(0x8f, 0, 1),
    'an extension that is not there': Buffer.from('9088fffefffffff0deadbeef12340002d5d5d5d5', 'hex'),
    'padding of nothing': Buffer.from('a088fffefffffff0deadbeefd5d5d500', 'hex'),
    'more padding than payload': Buffer.from('a088fffefffffff0deadbeefd5d5d505', 'hex'),
  };
  for (const [what, bytes] of Object.entries(refused)) assert.equal(readRtp(bytes), undefined, what);
});

test('a packet of padding alone has an empty payload', () => {
  assert.equal(readRtp(Buffer.from('a088fffefffffff0deadbeefd5d5d504', 'hex'))?.payload.length, 0);
});
