/** A key that is pressed once counts once, whatever packets of it are repeated, late or lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventOfKey, KeyPresses, readTelephoneEvent, writeTelephoneEvent } from '../../../src/sip/rtp-events.ts';
import type { RtpPacket } from '../../../src/sip/rtp-packet.ts';
import { mutated } from './mutated.ts';

const FUZZED_PAYLOADS = 200_000;
const PACKET_UNITS = 160;
const END_PACKETS = 3;

interface Press {
  key: string;
  timestamp: number;
  /** Of 20 ms each, the three at the end not counted. */
  packets: number;
}

function packetOf(press: Press, index: number, ssrc: number): RtpPacket {
  const event = eventOfKey(press.key) ?? 255;
  const duration = Math.min(index + 1, press.packets) * PACKET_UNITS;
  return {
    payloadType: 101,
    marker: index === 0,
    sequence: index,
    timestamp: press.timestamp >>> 0,
    ssrc,
    payload: writeTelephoneEvent({ event, end: index >= press.packets, volume: 10, duration }),
  };
}

/** As RFC 4733 §2.5.1 sends it: updates, then the end three times. */
function packetsOf(press: Press, ssrc = 7): RtpPacket[] {
  return Array.from({ length: press.packets + END_PACKETS }, (_, index) => packetOf(press, index, ssrc));
}

function heard(packets: readonly RtpPacket[], keys = new KeyPresses()): string {
  return packets.map((packet) => keys.take(packet) ?? '').join('');
}

const anyPresses = fc
  .array(
    fc.record({ key: fc.constantFrom(...Array.from('0123456789*#ABCD')), packets: fc.integer({ min: 2, max: 20 }) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((presses) => {
    let timestamp = 0xffff_f000;
    return presses.map((press) => {
      const placed = { ...press, timestamp };
      timestamp += (press.packets + 3) * PACKET_UNITS;
      return placed;
    });
  });

test('presses are heard as they were made, across the wrap of the timestamp', () => {
  fc.assert(
    fc.property(anyPresses, (presses) => {
      const packets = presses.flatMap((press) => packetsOf(press));
      assert.equal(heard(packets), presses.map(({ key }) => key).join(''));
    }),
  );
});

test('any one packet of a press is enough, and more of them change nothing', () => {
  fc.assert(
    fc.property(
      anyPresses,
      fc.infiniteStream(fc.boolean()),
      fc.infiniteStream(fc.nat(2)),
      (presses, losses, copies) => {
        const arriving = presses.flatMap((press) => {
          const packets = packetsOf(press);
          const kept = packets.filter(() => losses.next().value !== true);
          return kept.length > 0 ? kept : packets.slice(0, 1);
        });
        // Without its marker and its end a press can't be told from the one of the same key before it.
        const differing = presses.every((press, index) => press.key !== presses[index + 1]?.key);
        fc.pre(differing);
        const repeated = arriving.flatMap((packet) =>
          Array.from({ length: 1 + (copies.next().value ?? 0) }, () => packet),
        );
        assert.equal(heard(repeated), presses.map(({ key }) => key).join(''));
      },
    ),
  );
});

test('the same key twice is two presses, even when the end of the first is lost', () => {
  const first = packetsOf({ key: '1', timestamp: 1000, packets: 5 });
  const second = packetsOf({ key: '1', timestamp: 4000, packets: 5 });
  assert.equal(heard([...first, ...second]), '11');
  assert.equal(heard([...first.slice(0, 4), ...second]), '11');
});

test('a press longer than the duration can say is one press', () => {
  const event = { event: 5, volume: 10, end: false };
  const packet = (timestamp: number, duration: number, end: boolean, marker: boolean): RtpPacket => ({
    payloadType: 101,
    marker,
    sequence: 0,
    timestamp,
    ssrc: 1,
    payload: writeTelephoneEvent({ ...event, end, duration }),
  });
  const segments = [packet(0, 160, false, true), packet(0, 0xffff, false, false), packet(0xffff, 160, false, false)];
  assert.equal(heard([...segments, packet(0xffff, 800, true, false), packet(0xffff, 800, true, false)]), '5');
});

test('a packet that was overtaken by a later press is no press', () => {
  const first = packetsOf({ key: '1', timestamp: 1000, packets: 3 });
  const second = packetsOf({ key: '2', timestamp: 3000, packets: 3 });
  assert.equal(heard([...first, ...second, ...first]), '12');
});

test('a stream that begins anew is heard anew', () => {
  const keys = new KeyPresses();
  assert.equal(heard(packetsOf({ key: '1', timestamp: 5000, packets: 3 }, 1), keys), '1');
  assert.equal(heard(packetsOf({ key: '1', timestamp: 100, packets: 3 }, 2), keys), '1');
});

test('tones that are no keys are not heard', () => {
  const flash = packetsOf({ key: 'none', timestamp: 1000, packets: 3 });
  assert.equal(heard(flash), '');
});

test('an event is read back as it was written', () => {
  const anyEvent = fc.record(
    {
      event: fc.integer({ min: 0, max: 255 }),
      end: fc.boolean(),
      volume: fc.integer({ min: 0, max: 63 }),
      duration: fc.integer({ min: 0, max: 0xffff }),
    },
    { noNullPrototype: true },
  );
  fc.assert(fc.property(anyEvent, (event) => assert.deepEqual(readTelephoneEvent(writeTelephoneEvent(event)), event)));
});

test('damaged payloads never throw', () => {
  const keys = new KeyPresses();
  const good = packetsOf({ key: '#', timestamp: 0, packets: 3 }).map((packet) => packet.payload);
  let timestamp = 0;
  let presses = 0;
  for (const payload of mutated(good, FUZZED_PAYLOADS, 4733)) {
    timestamp = (timestamp + PACKET_UNITS) >>> 0;
    const packet = { payloadType: 101, marker: true, sequence: 0, timestamp, ssrc: 1, payload };
    if (keys.take(packet) !== undefined) presses += 1;
    if (payload.length < 4) assert.equal(readTelephoneEvent(payload), undefined);
  }
  assert.ok(presses > 0 && presses < FUZZED_PAYLOADS);
});
