/** What one stream sends and hears, packet time by packet time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeG711, PCMA, PCMU } from '../../../../src/sip/g711.ts';
import { eventOfKey, writeTelephoneEvent } from '../../../../src/sip/rtp-events.ts';
import { readRtp, type RtpPacket, writeRtp } from '../../../../src/sip/rtp-packet.ts';
import type { RtpAddress } from '../../../../src/sip/rtp-peer.ts';
import type { RemoteMedia } from '../../../../src/sip/sdp.ts';
import { PlayerStream } from '../../../../src/voice/player/stream.ts';

const remote: RemoteMedia = { address: '192.0.2.1', port: 4000, payloadType: PCMA, dtmfPayloadType: 101, held: false };

function setUp() {
  const sent: { packet: RtpPacket; to: RtpAddress }[] = [];
  const events: string[] = [];
  const spacings: number[] = [];
  const time = { nowMs: 0 };
  const stream = new PlayerStream({
    randomUint32: () => 0,
    nowMs: () => time.nowMs,
    send: (bytes, to) => {
      const packet = readRtp(bytes);
      assert.ok(packet !== undefined);
      sent.push({ packet, to });
    },
    onSpacing: (ms) => spacings.push(ms),
    onDigit: (digit) => events.push(`digit ${digit}`),
    onFinished: () => events.push('finished'),
  });
  const ticks = (count: number): void => {
    for (let index = 0; index < count; index += 1) stream.tick();
  };
  return { stream, sent, events, spacings, time, ticks };
}

function tone(samples: number): Int16Array {
  return Int16Array.from({ length: samples }, () => 8_000);
}

function isSilent(packet: RtpPacket): boolean {
  return decodeG711(packet.payloadType === PCMA ? PCMA : PCMU, packet.payload).every((sample) => Math.abs(sample) <= 8);
}

function press(key: string, timestamp: number): Buffer {
  const payload = writeTelephoneEvent({ event: eventOfKey(key) ?? 0, end: false, volume: 10, duration: 160 });
  return writeRtp({ payloadType: 101, marker: true, sequence: 1, timestamp, ssrc: 9, payload });
}

test('the time from one packet to the next is told, but not that of a hold', () => {
  const { stream, spacings, time, ticks } = setUp();
  stream.connect({ remote });
  for (const nowMs of [100, 120, 145]) {
    time.nowMs = nowMs;
    ticks(1);
  }
  stream.connect({ remote: { ...remote, held: true } });
  ticks(1);
  stream.connect({ remote });
  time.nowMs = 1_000;
  ticks(1);
  assert.deepEqual(spacings, [20, 25]);
});

test('nothing is sent before it is known where to', () => {
  const { sent, ticks } = setUp();
  ticks(5);
  assert.equal(sent.length, 0);
});

test('once connected it sends silence, the first packet marked', () => {
  const { stream, sent, ticks } = setUp();
  ticks(3);
  stream.connect({ remote });
  ticks(2);
  assert.deepEqual(
    sent.map(({ packet, to }) => [packet.marker, packet.sequence, packet.timestamp, isSilent(packet), to.port]),
    [
      [true, 0, 480, true, 4000],
      [false, 1, 640, true, 4000],
    ],
  );
});

test('a second of speech is 50 packets, 400 ms of tail are 20, then it says so and goes on with silence', () => {
  const { stream, sent, events, ticks } = setUp();
  stream.play({ remote, samples: tone(8_000), tailSilenceMs: 400 });
  ticks(69);
  assert.deepEqual(events, []);
  ticks(1);
  assert.deepEqual(events, ['finished']);
  assert.equal(stream.counts().packetsSent, 70);
  ticks(10);
  assert.deepEqual(events, ['finished']);
  assert.deepEqual(
    sent.map(({ packet }) => isSilent(packet)),
    [...Array.from({ length: 50 }, () => false), ...Array.from({ length: 30 }, () => true)],
  );
  assert.deepEqual(
    sent.map(({ packet }) => packet.timestamp),
    sent.map((_, index) => index * 160),
  );
});

test('played again it begins anew and finishes once', () => {
  const { stream, sent, events, ticks } = setUp();
  stream.play({ remote, samples: tone(320), tailSilenceMs: 20 });
  ticks(1);
  stream.play({ remote, samples: tone(320), tailSilenceMs: 20 });
  ticks(5);
  assert.deepEqual(events, ['finished']);
  assert.deepEqual(
    sent.map(({ packet }) => isSilent(packet)),
    [false, false, false, true, true, true],
  );
});

test('on hold nothing is sent and the speech waits', () => {
  const { stream, sent, events, ticks } = setUp();
  stream.play({ remote, samples: tone(480), tailSilenceMs: 20 });
  ticks(1);
  for (const media of [
    { ...remote, held: true },
    { ...remote, address: '0.0.0.0' },
    { ...remote, port: 0 },
  ]) {
    stream.connect({ remote: media });
    ticks(2);
    assert.equal(sent.length, 1);
  }
  stream.connect({ remote });
  ticks(3);
  assert.deepEqual(events, ['finished']);
  assert.deepEqual(
    sent.map(({ packet }) => [packet.sequence, packet.timestamp, packet.marker, isSilent(packet)]),
    [
      [0, 0, true, false],
      [1, 7 * 160, true, false],
      [2, 8 * 160, false, false],
      [3, 9 * 160, false, true],
    ],
  );
});

test('a re-INVITE moves the speech and changes its coding in the middle', () => {
  const { stream, sent, ticks } = setUp();
  stream.play({ remote, samples: tone(480), tailSilenceMs: 20 });
  ticks(1);
  stream.connect({ remote: { ...remote, address: '192.0.2.2', payloadType: PCMU } });
  ticks(1);
  assert.deepEqual(
    sent.map(({ packet, to }) => [to.address, packet.payloadType, packet.sequence, isSilent(packet)]),
    [
      ['192.0.2.1', PCMA, 0, false],
      ['192.0.2.2', PCMU, 1, false],
    ],
  );
});

test('keys of the callee are heard, those of a stranger and of another payload type are not', () => {
  const { stream, events, time } = setUp();
  const callee = { address: remote.address, port: remote.port };
  stream.hear(press('1', 100), callee);
  stream.connect({ remote });
  time.nowMs = 500;
  stream.hear(press('1', 200), callee);
  stream.hear(press('1', 200), callee);
  stream.hear(press('2', 900), { address: '203.0.113.1', port: remote.port });
  stream.connect({ remote: { ...remote, dtmfPayloadType: undefined } });
  stream.hear(press('3', 1900), callee);
  time.nowMs = 800;
  assert.deepEqual(events, ['digit 1']);
  const { packetsReceived, lastReceivedAgoMs, digits } = stream.counts();
  assert.deepEqual([packetsReceived, lastReceivedAgoMs, digits], [3, 300, '1']);
});

test('someone who never stops pressing keys is not heard for ever', () => {
  const { stream, events } = setUp();
  stream.connect({ remote });
  for (let index = 1; index <= 100; index += 1) stream.hear(press('#', index * 2000), remote);
  assert.equal(events.length, 64);
  assert.equal(stream.counts().digits.length, 64);
});

test('what is no RTP is not counted', () => {
  const { stream } = setUp();
  stream.connect({ remote });
  stream.hear(Buffer.from('hello'), remote);
  assert.equal(stream.counts().packetsReceived, 0);
});
