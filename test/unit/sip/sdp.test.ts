import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readMedia, writeAnswer, writeOffer } from '../../../src/sip/sdp.ts';

const LOCAL = { address: '192.0.2.1', port: 30_000 };
const ORIGIN = { id: 5, version: 2 };

function sdp(...lines: string[]): string {
  return ['v=0', 'o=- 1 1 IN IP4 192.0.2.9', 's=-', 't=0 0', ...lines, ''].join('\r\n');
}

test('our offer is PCMA, PCMU and telephone-event', () => {
  assert.equal(
    writeOffer(LOCAL, ORIGIN),
    [
      'v=0',
      'o=- 5 2 IN IP4 192.0.2.1',
      's=-',
      'c=IN IP4 192.0.2.1',
      't=0 0',
      'm=audio 30000 RTP/AVP 8 0 101',
      'a=rtpmap:8 PCMA/8000',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:101 0-16',
      'a=ptime:20',
      'a=sendrecv',
      '',
    ].join('\r\n'),
  );
});

test('the answer says where, in which coding and whether the peer hears', () => {
  const read = readMedia(
    sdp(
      'c=IN IP4 192.0.2.9',
      'm=audio 4000 RTP/AVP 0 8 96',
      'c=IN IP4 192.0.2.10',
      'a=rtpmap:96 telephone-event/8000/1',
    ),
  );
  assert.deepEqual(read, {
    kind: 'media',
    media: { address: '192.0.2.10', port: 4000, payloadType: 0, dtmfPayloadType: 96, held: false },
  });
  const session = readMedia(sdp('c=IN IP6 2001:db8::1', 'm=audio 4000 RTP/AVP 8').replaceAll('\r\n', '\n'));
  assert.deepEqual(session.kind === 'media' && session.media, {
    address: '2001:db8::1',
    port: 4000,
    payloadType: 8,
    dtmfPayloadType: undefined,
    held: false,
  });
});

test('hold is sendonly, inactive or the address of nowhere, at either level', () => {
  const held = (...lines: string[]): unknown => {
    const read = readMedia(sdp(...lines));
    return read.kind === 'media' && read.media.held;
  };
  const c = 'c=IN IP4 192.0.2.9';
  const m = 'm=audio 4000 RTP/AVP 8';
  assert.equal(held(c, m, 'a=sendonly'), true);
  assert.equal(held(c, m, 'a=inactive'), true);
  assert.equal(held(c, 'a=sendonly', m), true);
  assert.equal(held(c, 'a=sendonly', m, 'a=sendrecv'), false);
  assert.equal(held(c, m, 'a=recvonly'), false);
  assert.equal(held('c=IN IP4 0.0.0.0', m), true);
});

test('what can not be used is said', () => {
  const reason = (text: string): string => {
    const read = readMedia(text);
    return read.kind === 'unusable' ? read.reason : '';
  };
  const c = 'c=IN IP4 192.0.2.9';
  assert.equal(reason(''), 'no session description');
  assert.equal(reason(sdp(c, 'm=video 4000 RTP/AVP 8')), 'no audio stream');
  assert.equal(reason(sdp(c, 'm=audio 0 RTP/AVP 8')), 'audio was declined');
  assert.equal(reason(sdp(c, 'm=audio 4000 RTP/SAVP 8')), 'audio is not RTP/AVP');
  assert.equal(reason(sdp(c, 'm=audio 4000 RTP/AVP 18')), 'neither PCMA nor PCMU');
  assert.equal(reason(sdp(c, 'm=audio 70000 RTP/AVP 8')), 'port');
  assert.equal(reason(sdp('m=audio 4000 RTP/AVP 8')), 'no IP address in c=');
  assert.equal(reason(sdp('c=IN IP4 media.example', 'm=audio 4000 RTP/AVP 8')), 'no IP address in c=');
});

test('every stream of an offer is answered in its place, only the audio we take is not declined', () => {
  const offer = sdp(
    'c=IN IP4 192.0.2.9',
    'm=video 5000 RTP/AVP 31 32',
    'm=audio 4000 RTP/AVP 0 8 101',
    'a=rtpmap:101 telephone-event/8000',
    'a=sendonly',
    'm=audio 4002 RTP/AVP 8',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  );
  const lines = writeAnswer(offer, LOCAL, ORIGIN).split('\r\n');
  assert.deepEqual(
    lines.filter((line) => line.startsWith('m=')),
    [
      'm=video 0 RTP/AVP 31 32',
      'm=audio 30000 RTP/AVP 0 101',
      'm=audio 0 RTP/AVP 8',
      'm=application 0 UDP/DTLS/SCTP webrtc-datachannel',
    ],
  );
  assert.ok(lines.includes('a=recvonly'));
  assert.ok(!lines.includes('a=sendonly'));
});

test('our own offer and the answer to it are understood by the same reader', () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  const address = fc.oneof(fc.ipV4(), fc.ipV6()).filter((text) => text !== '0.0.0.0' && text !== '::');
  fc.assert(
    fc.property(port, address, port, (theirs, host, ours) => {
      const offer = writeOffer({ address: host, port: theirs }, ORIGIN);
      const read = readMedia(offer);
      assert.equal(read.kind === 'media' && read.media.address, host);
      const answer = readMedia(writeAnswer(offer, { address: '192.0.2.1', port: ours }, ORIGIN));
      assert.equal(answer.kind === 'media' && answer.media.port, ours);
    }),
    { numRuns: 200 },
  );
});

test('a description of thousands of formats and hundreds of attributes is read as quickly as any other', () => {
  const formats = Array.from({ length: 6_500 }, () => '1').join(' ');
  const attributes = Array.from({ length: 490 }, () => 'a=');
  const offer = sdp('c=IN IP4 192.0.2.9', `m=audio 4000 RTP/AVP 0 ${formats}`, ...attributes);
  const startedMs = performance.now();
  for (let n = 0; n < 50; n += 1) assert.equal(readMedia(offer).kind, 'media');
  // 3.5 s when each format asked all attributes.
  assert.ok(performance.now() - startedMs < 1_000);
});
