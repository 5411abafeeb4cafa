/** A call between our user agent and our simulated telephone is SIP, SDP and RTP to a decoder that is not ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FollowingClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { SimulatedTelephone } from '../../src/simulator/callee.ts';
import { testSpeech } from './listening.ts';
import { recordDatagrams } from './recorded-datagrams.ts';
import { loopbackTrunk, soundingCall } from './sounding-call.ts';
import { allFieldsOf, decode, type DecodedPacket, fieldOf, type Layer } from './tshark.ts';

const RATE_HZ = 8_000;
const PACKET_SAMPLES = 160;
/** What the telephone had sent when the call ended and nobody listened any more: 0.2 s of it. */
const MAX_UNDER_WAY = 10;
const PASSWORD = 's3cret';
/** Presses 1 after a second of silence. */
const PRESSING = '0900000108';
const PCMA = '8';
const TELEPHONE_EVENT = '101';

test('tshark reads every datagram of a call: digest, offer and answer, speech, silence and a pressed key', async (t) => {
  const recorded = recordDatagrams(t);
  const telephone = new SimulatedTelephone({
    host: '127.0.0.1',
    port: 0,
    dataDir: undefined,
    clock: new FollowingClock(),
    log: createLogger({ level: 'silent' }),
    password: PASSWORD,
  });
  const { port } = await telephone.start();
  t.after(() => telephone.stop());
  const speech = testSpeech(0.5);
  const samples = Int16Array.of(...speech, ...new Int16Array(2 * RATE_HZ));
  const trunk = loopbackTrunk(port, { username: 'feige', password: PASSWORD });
  const called = await soundingCall(t, { trunk, to: PRESSING, samples });
  assert.deepEqual(called.end, { kind: 'hung-up', by: 'us' }, called.lines.join('\n'));

  const { packets, complaints } = await decode(t, recorded.packetFile(), ['-d', `udp.port==${port},sip`]);
  assert.deepEqual(complaints, []);
  assert.equal(packets.length, recorded.count());
  const unread = packets.filter(({ layers }) => layers.sip === undefined && layers.rtp === undefined);
  assert.deepEqual(unread, []);
  assertSip(packets);
  const streams = assertStreams(packets);
  const missed = streams.theirs - (called.stats?.packetsReceived ?? 0);
  assert.ok(missed >= 0 && missed <= MAX_UNDER_WAY, `${missed} of ${streams.theirs} did not come`);
  t.diagnostic(`tshark read all ${packets.length} datagrams: ${streams.ours} RTP sent, ${streams.theirs} received`);
});

/** On a slow machine a message can be sent again; the first of each tells. */
function assertSip(packets: readonly DecodedPacket[]): void {
  const messages = new Map<string, Layer>();
  for (const message of packets.flatMap(({ layers }) => layers.sip ?? [])) {
    const start = fieldOf(message, 'sip.Method') ?? fieldOf(message, 'sip.Status-Code') ?? '';
    const name = `${start} (${fieldOf(message, 'sip.CSeq.seq')} ${fieldOf(message, 'sip.CSeq.method')})`;
    if (start !== '100' && !messages.has(name)) messages.set(name, message);
  }
  assert.deepEqual(
    [...messages.keys()],
    [
      'INVITE (1 INVITE)',
      '401 (1 INVITE)',
      'ACK (1 ACK)',
      'INVITE (2 INVITE)',
      '180 (2 INVITE)',
      '200 (2 INVITE)',
      'ACK (2 ACK)',
      'BYE (3 BYE)',
      '200 (3 BYE)',
    ],
  );
  const invite = messages.get('INVITE (2 INVITE)') ?? {};
  assert.equal(fieldOf(invite, 'sip.auth.username'), '"feige"');
  assert.equal(fieldOf(invite, 'sip.to.user'), PRESSING);
  assert.deepEqual(allFieldsOf(invite, 'sdp.mime.type'), ['PCMA', 'PCMU', 'telephone-event']);
  const [chosen] = allFieldsOf(messages.get('200 (2 INVITE)') ?? {}, 'sdp.mime.type');
  assert.equal(chosen, 'PCMA');
}

/** One stream in each direction, without a gap in its numbers; ours without one in its time either. */
function assertStreams(packets: readonly DecodedPacket[]): { ours: number; theirs: number } {
  const rtp = packets.flatMap(({ layers }) => layers.rtp ?? []);
  const sources = [...new Set(rtp.map((packet) => fieldOf(packet, 'rtp.ssrc')))];
  assert.equal(sources.length, 2);
  const [ours, theirs] = sources
    .map((source) => rtp.filter((packet) => fieldOf(packet, 'rtp.ssrc') === source))
    .toSorted((left, right) => Number(hasEvents(left)) - Number(hasEvents(right)));
  assert.ok(ours !== undefined && theirs !== undefined);
  for (const stream of [ours, theirs]) assertSteps(stream, 'rtp.seq', 1, 0x10000);
  assertSteps(ours, 'rtp.timestamp', PACKET_SAMPLES, 0x1_0000_0000);
  assert.ok(ours.every((packet) => fieldOf(packet, 'rtp.p_type') === PCMA));
  assert.ok(hasEvents(theirs));
  const keys = packets.flatMap(({ layers }) => layers.rtpevent ?? []);
  assert.ok(keys.length > 0);
  assert.ok(keys.every((key) => fieldOf(key, 'rtpevent.event_id') === '1'));
  return { ours: ours.length, theirs: theirs.length };
}

function hasEvents(stream: DecodedPacket['layers'][string]): boolean {
  return stream.some((packet) => fieldOf(packet, 'rtp.p_type') === TELEPHONE_EVENT);
}

function assertSteps(stream: DecodedPacket['layers'][string], name: string, step: number, modulus: number): void {
  const values = stream.map((packet) => Number(fieldOf(packet, name)));
  for (const [index, value] of values.entries()) {
    const before = values[index - 1];
    if (before !== undefined) assert.equal((value - before + modulus) % modulus, step, `${name} ${before}, ${value}`);
  }
}
