import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeG711, PCMA, PCMU } from '../../../src/sip/g711.ts';
import { KeyPresses, readTelephoneEvent } from '../../../src/sip/rtp-events.ts';
import { type RtpPacket, readRtp } from '../../../src/sip/rtp-packet.ts';
import { MessageEnd } from '../../../src/simulator/callee-message-end.ts';
import { CalleeVoice } from '../../../src/simulator/callee-voice.ts';

/** What is sent in frames `from` up to before `to`. */
function sent(voice: CalleeVoice, from: number, to: number): RtpPacket[] {
  const packets = [];
  for (let frame = from; frame < to; frame += 1) {
    const bytes = voice.packet(frame);
    const packet = bytes && readRtp(bytes);
    if (packet !== undefined) packets.push(packet);
  }
  return packets;
}

test('silence is sent for a second without a gap, then five times a second, by one clock', () => {
  const voice = new CalleeVoice(PCMA);
  const packets = sent(voice, 0, 100);
  assert.equal(packets.length, 50 + 5);
  const [first] = packets;
  assert.ok(first);
  for (const [index, packet] of packets.entries()) {
    assert.equal(packet.payloadType, PCMA);
    assert.equal(packet.ssrc, first.ssrc);
    assert.equal(packet.sequence, (first.sequence + index) & 0xffff);
    const frame = index < 50 ? index : 59 + (index - 50) * 10;
    assert.equal((packet.timestamp - first.timestamp) >>> 0, frame * 160);
    assert.equal(packet.marker, index === 0 || index >= 50);
    assert.ok(packet.payload.equals(Buffer.alloc(160, 0xd5)));
  }
});

test('a key is one press of 160 ms whose end is said three times', () => {
  const voice = new CalleeVoice(PCMU);
  sent(voice, 0, 10);
  assert.equal(voice.press('1', 101, 10), true);
  assert.equal(voice.press('2', 101, 10), false, 'one key at a time');
  const packets = sent(voice, 10, 30);
  const events = packets.filter(({ payloadType }) => payloadType === 101);
  assert.equal(events.length, 11);
  assert.equal(new Set(events.map(({ timestamp }) => timestamp)).size, 1);
  const told = events.map(({ payload }) => readTelephoneEvent(payload));
  assert.deepEqual(
    told.map((event) => event?.duration),
    [160, 320, 480, 640, 800, 960, 1_120, 1_280, 1_280, 1_280, 1_280],
  );
  assert.deepEqual(
    told.map((event) => event?.end),
    [...Array.from({ length: 8 }, () => false), true, true, true],
  );
  const presses = new KeyPresses();
  assert.deepEqual(
    events.map((packet) => presses.take(packet)).filter((key) => key !== undefined),
    ['1'],
  );
  const [silence] = packets.slice(11);
  assert.equal(silence?.payloadType, PCMU, 'silence goes on afterwards');
});

const FRAME_MS = 20;
const tone = (amplitude: number): Buffer =>
  encodeG711(
    PCMA,
    Int16Array.from({ length: 160 }, (_, index) => amplitude * Math.sin(index / 3)),
  );

test('a message is over once it has been silent for a second, each time', () => {
  const end = new MessageEnd(PCMA);
  let nowMs = 0;
  const hear = (payload: Buffer, frames: number): number => {
    let over = 0;
    for (let frame = 0; frame < frames; frame += 1) {
      end.hear(payload, nowMs);
      nowMs += FRAME_MS;
      if (end.isOver(nowMs)) over += 1;
    }
    return over;
  };
  assert.equal(hear(tone(0), 100), 0, 'nothing was said yet');
  assert.equal(hear(tone(400), 50), 0);
  assert.equal(hear(tone(8), 45), 0, 'a pause of 0.9 s');
  assert.equal(hear(tone(400), 50), 0);
  assert.equal(hear(tone(8), 200), 1);
  assert.equal(hear(tone(400), 50), 0);
  nowMs += 1_000;
  assert.equal(end.isOver(nowMs), true, 'no packets are silence too');
  assert.equal(end.isOver(nowMs + 10_000), false);
});

test('a click is no message', () => {
  const end = new MessageEnd(PCMA);
  end.hear(tone(4_000), 0);
  assert.equal(end.isOver(10_000), false);
});
