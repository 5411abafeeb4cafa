/** The RTP thread, heard by a callee on a real socket: nothing missing, evenly spaced, and gone when it should be. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ManualClock } from '../../../../src/base/clock.ts';
import { createLogger } from '../../../../src/base/log.ts';
import { encodeG711, PCMA } from '../../../../src/sip/g711.ts';
import { eventOfKey, writeTelephoneEvent } from '../../../../src/sip/rtp-events.ts';
import { readRtp, type RtpPacket, writeRtp } from '../../../../src/sip/rtp-packet.ts';
import type { RemoteMedia } from '../../../../src/sip/sdp.ts';
import type { ThreadSettings } from '../../../../src/voice/player/protocol.ts';
import { RtpPlayer, type RtpStats } from '../../../../src/voice/player/rtp-player.ts';
import { percentile } from '../../../harness/percentile.ts';

const ADDRESS = '127.0.0.1';
const RANGE = { firstPort: 42_001, lastPort: 43_999 };
const SECOND = Int16Array.from({ length: 8_000 }, (_, at) =>
  Math.round(12_000 * Math.sin((at * 2 * Math.PI * 440) / 8_000)),
);
const SECOND_PACKETS = 50;
const TAIL_PACKETS = 20;
const NOW_MS = 1_800_000_000_000;

interface Report {
  kind: 'finished' | 'digit' | 'failed';
  streamId: number;
  stats?: RtpStats;
  said?: string;
}

/** A player that keeps what it reports, in order; `next` waits for one more. */
async function startPlayer(t: TestContext, bind: Partial<ThreadSettings> = {}, maxStreams = 500) {
  const waiting: ((report: Report) => void)[] = [];
  const reports: Report[] = [];
  const take = (report: Report): void => {
    const waiter = waiting.shift();
    if (waiter === undefined) reports.push(report);
    else waiter(report);
  };
  const player = new RtpPlayer({
    clock: new ManualClock(NOW_MS),
    log: createLogger({ level: 'silent' }),
    bind: { address: ADDRESS, ...RANGE, ...bind },
    maxStreams,
    handlers: {
      onFinished: (streamId, stats) => take({ kind: 'finished', streamId, stats }),
      onDigit: (streamId, said) => take({ kind: 'digit', streamId, said }),
      onFailed: (streamId, said) => take({ kind: 'failed', streamId, said }),
    },
  });
  t.after(() => player.stop());
  await player.start();
  const next = (): Promise<Report> => {
    const report = reports.shift();
    return report === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(report);
  };
  return { player, next };
}

interface Heard {
  packet: RtpPacket;
  fromPort: number;
  atMs: number;
}

class Callee {
  readonly #socket: Socket;
  readonly heard: Heard[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (datagram, source) => {
      const packet = readRtp(Buffer.from(datagram));
      assert.ok(packet !== undefined);
      this.heard.push({ packet, fromPort: source.port, atMs: performance.now() });
    });
  }

  static async listen(t: TestContext, address = ADDRESS): Promise<Callee> {
    const socket = createSocket('udp4');
    t.after(() => socket.close());
    socket.bind(0, address);
    await once(socket, 'listening');
    return new Callee(socket);
  }

  get media(): RemoteMedia {
    const { port } = this.#socket.address();
    return { address: ADDRESS, port, payloadType: PCMA, dtmfPayloadType: 101, held: false };
  }

  async untilHeard(packets: number): Promise<void> {
    while (this.heard.length < packets) await once(this.#socket, 'message');
  }

  /** Resolves when it is in the receiver's queue: that is how loopback works. */
  send(port: number, bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(bytes, port, ADDRESS, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The first two packets of a key, and its end three times. */
  async press(port: number, key: string, timestamp: number): Promise<void> {
    for (let index = 0; index < 5; index += 1) {
      const event = { event: eventOfKey(key) ?? 0, end: index > 1, volume: 10, duration: 160 * (index + 1) };
      const header = { payloadType: 101, marker: index === 0, sequence: index, timestamp, ssrc: 77 };
      await this.send(port, writeRtp({ ...header, payload: writeTelephoneEvent(event) }));
    }
  }
}

test('a second of speech arrives whole, every 20 ms, with 400 ms of silence after it', async (t) => {
  const { player, next } = await startPlayer(t);
  const callee = await Callee.listen(t);
  const { streamId, port } = await player.open();
  player.play(streamId, { remote: callee.media, samples: SECOND, tailSilenceMs: 400 });
  const report = await next();
  await callee.untilHeard(SECOND_PACKETS + TAIL_PACKETS);

  assert.deepEqual([report.kind, report.streamId, report.stats?.packetsSent], ['finished', streamId, 70]);
  const heard = callee.heard.slice(0, SECOND_PACKETS + TAIL_PACKETS);
  const speech = Buffer.concat(heard.slice(0, SECOND_PACKETS).map(({ packet }) => packet.payload));
  assert.deepEqual(speech, encodeG711(PCMA, SECOND));
  for (const { packet } of heard.slice(SECOND_PACKETS)) assert.deepEqual(packet.payload, Buffer.alloc(160, 0xd5));
  const first = heard[0];
  assert.ok(first !== undefined);
  let before = (first.packet.timestamp - 160) >>> 0;
  for (const [index, { packet, fromPort }] of heard.entries()) {
    assert.equal((packet.sequence - first.packet.sequence) & 0xffff, index);
    // More than one packet time only where the machine kept the thread from running for long.
    const passed = (packet.timestamp - before) >>> 0;
    assert.ok(passed >= 160 && passed % 160 === 0, `a timestamp ${passed} after the one before`);
    assert.equal(packet.marker, index === 0 || passed > 160);
    assert.deepEqual([packet.ssrc, packet.payloadType, fromPort], [first.packet.ssrc, 8, port]);
    before = packet.timestamp;
  }
  const times = heard.map(({ atMs }) => atMs);
  const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? atMs));
  const wholeMs = (times.at(-1) ?? 0) - first.atMs;
  // The bounds leave room for a machine that is busy with other tests; the pace itself is tested without a clock.
  assert.ok(Math.abs(percentile(gaps, 0.5) - 20) < 5, `median of ${percentile(gaps, 0.5)} ms`);
  assert.ok(percentile(gaps, 0.9) < 60, `p90 of ${percentile(gaps, 0.9)} ms`);
  assert.ok(Math.abs(wholeMs - 69 * 20) < 400, `${wholeMs} ms in all`);
});

test('silence is sent from the connection to the end, and nothing after it', async (t) => {
  const { player } = await startPlayer(t);
  const callee = await Callee.listen(t);
  const { streamId } = await player.open();
  player.connect(streamId, { remote: callee.media });
  await callee.untilHeard(3);
  const stats = await player.close(streamId);
  assert.ok(stats !== undefined && stats.packetsSent >= 3);
  assert.deepEqual([stats.packetsReceived, stats.lastReceivedAtMs, stats.digits], [0, undefined, '']);
  await callee.untilHeard(stats.packetsSent);
  assert.deepEqual(new Set(callee.heard.map(({ packet }) => packet.payload.toString('hex'))).size, 1);
  assert.equal(await player.close(streamId), undefined, 'it was closed before');

  const other = await player.open();
  const listener = await Callee.listen(t);
  player.connect(other.streamId, { remote: listener.media });
  await listener.untilHeard(3);
  assert.equal(callee.heard.length, stats.packetsSent, 'the closed stream is silent');
});

test('a key that is pressed is reported once, and speech can be played again', async (t) => {
  const { player, next } = await startPlayer(t);
  const callee = await Callee.listen(t);
  const { streamId, port } = await player.open();
  const playing = { remote: callee.media, samples: SECOND.subarray(0, 320), tailSilenceMs: 20 };
  player.play(streamId, playing);
  assert.equal((await next()).kind, 'finished');
  await callee.press(port, '1', 160);
  const digit = await next();
  assert.deepEqual([digit.kind, digit.said], ['digit', '1']);
  player.play(streamId, playing);
  const again = await next();
  assert.deepEqual([again.kind, again.stats?.digits], ['finished', '1']);
  const stats = await player.close(streamId);
  assert.deepEqual([stats?.packetsReceived, stats?.digits], [5, '1']);
  const agoMs = NOW_MS - (stats?.lastReceivedAtMs ?? 0);
  assert.ok(agoMs >= 0 && agoMs < 60_000, `${agoMs} ms ago`);
});

test('garbage and strangers change nothing', async (t) => {
  const { player, next } = await startPlayer(t, { address: '0.0.0.0' });
  const callee = await Callee.listen(t);
  const stranger = await Callee.listen(t, '127.0.0.2');
  const { streamId, port } = await player.open();
  player.connect(streamId, { remote: callee.media });
  await callee.untilHeard(1);
  for (const bytes of [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(1_400, 0xff)])
    await callee.send(port, bytes);
  await stranger.press(port, '9', 160);
  // Datagrams wait in one queue: when this key is heard the stranger's have been looked at.
  await callee.press(port, '5', 3_200);
  const digit = await next();
  assert.deepEqual([digit.kind, digit.said], ['digit', '5']);
  await callee.untilHeard(callee.heard.length + 2);
  const stats = await player.close(streamId);
  assert.deepEqual([stats?.packetsReceived, stats?.digits], [5, '5']);
  assert.equal(stranger.heard.length, 0);
});

test('ports are even, and one that is taken is passed over; without any the opening is refused', async (t) => {
  const range = { firstPort: 44_101, lastPort: 44_106 };
  const squatter = createSocket('udp4');
  t.after(() => squatter.close());
  squatter.bind(44_104, ADDRESS);
  await once(squatter, 'listening');
  const { player } = await startPlayer(t, range);
  const opened = [await player.open(), await player.open()];
  assert.deepEqual(new Set(opened.map(({ port }) => port)), new Set([44_102, 44_106]));
  await assert.rejects(player.open(), { code: 'MEDIA_UNAVAILABLE', message: /44101-44106/ });
  await player.close(opened[0]?.streamId ?? 0);
  assert.equal((await player.open()).port, opened[0]?.port, 'a port that is free again is used again');
});

test('there are as many streams as allowed and no more', async (t) => {
  const { player } = await startPlayer(t, {}, 2);
  const [first] = await Promise.all([player.open(), player.open()]);
  await assert.rejects(player.open(), { code: 'MEDIA_UNAVAILABLE' });
  await player.close(first.streamId);
  await player.open();
});

test('a callee that cannot be reached ends its stream alone', async (t) => {
  const { player, next } = await startPlayer(t);
  const callee = await Callee.listen(t);
  const [bad, good] = [await player.open(), await player.open()];
  player.connect(good.streamId, { remote: callee.media });
  for (const remote of [
    { ...callee.media, address: '2001:db8::1' },
    { ...callee.media, address: 'callee.example' },
    { ...callee.media, port: 70_000 },
  ]) {
    const { streamId } = remote.port === 70_000 ? bad : await player.open();
    player.play(streamId, { remote, samples: SECOND, tailSilenceMs: 400 });
    const report = await next();
    assert.deepEqual([report.kind, report.streamId], ['failed', streamId]);
  }
  await callee.untilHeard(callee.heard.length + 3);
});

test('when the thread dies every stream ends with an error, and another thread takes over', async (t) => {
  const { player, next } = await startPlayer(t);
  const callee = await Callee.listen(t);
  const [first, second] = [await player.open(), await player.open()];
  player.connect(first.streamId, { remote: callee.media });
  await callee.untilHeard(1);
  player.play(second.streamId, { remote: null as never, samples: SECOND, tailSilenceMs: 400 });
  const closing = player.close(first.streamId);
  const report = await next();
  assert.deepEqual([report.kind, report.streamId], ['failed', second.streamId]);
  const stats = await closing;
  assert.ok(stats === undefined || stats.packetsSent > 0);
  await assert.rejects(player.open(), { code: 'MEDIA_UNAVAILABLE' });

  const again = await openWhenBack(player);
  assert.ok(again.streamId > second.streamId, 'late words about old streams cannot be mistaken');
  const before = callee.heard.length;
  player.play(again.streamId, { remote: callee.media, samples: SECOND.subarray(0, 160), tailSilenceMs: 20 });
  assert.equal((await next()).streamId, again.streamId);
  await callee.untilHeard(before + 2);
});

/** The restart is not announced to anyone, so it is asked for; the test's own time limit bounds it. */
async function openWhenBack(player: RtpPlayer) {
  for (;;) {
    try {
      return await player.open();
    } catch {
      await pause(10);
    }
  }
}

test('a stopped player refuses', async (t) => {
  const { player } = await startPlayer(t);
  const { streamId } = await player.open();
  const pending = player.open();
  const refused = assert.rejects(pending, { code: 'STOPPED' });
  await player.stop();
  await refused;
  await assert.rejects(player.open(), { code: 'STOPPED' });
  assert.equal(await player.close(streamId), undefined);
});
