/** Damaged SIP: real messages with bytes flipped, cut, doubled and mixed, the same ones for the same seed. */

const SDP = [
  'v=0',
  'o=- 1 1 IN IP4 192.0.2.1',
  's=-',
  'c=IN IP4 192.0.2.1',
  't=0 0',
  'm=audio 4000 RTP/AVP 8 0 101',
  'a=rtpmap:101 telephone-event/8000',
  'a=sendonly',
  '',
].join('\r\n');

function sip(start: string, ...lines: string[]): Buffer {
  const common = [
    'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport, SIP/2.0/TCP [2001:db8::1];received=192.0.2.7',
    'f: "A \\" b, <c>" <sip:alice@a.example;transport=tcp>;tag=88',
    'To: <sip:bob@b.example>;tag=99',
    'Call-ID: call-1@a',
  ];
  return Buffer.from([start, ...common, ...lines, `Content-Length: ${SDP.length}`, '', SDP].join('\r\n'));
}

export const SEEDS: readonly Buffer[] = [
  sip('INVITE sip:0912345678@b.example SIP/2.0', 'CSeq: 1 INVITE', 'm: <sip:a@1.2.3.4:5070;ob>', 'Require: timer'),
  sip('SIP/2.0 200 OK', 'CSeq: 1 INVITE', 'Contact: <sip:b@1.2.3.4>', 'Record-Route: <sip:p;lr>,<sip:q;lr>'),
  sip(
    'SIP/2.0 401 Unauthorized',
    'CSeq: 1 INVITE',
    'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth,auth-int"',
  ),
  sip(
    'SIP/2.0 407 Proxy',
    'CSeq: 1 BYE',
    'Proxy-Authenticate: Digest realm="r",nonce="n",algorithm=SHA-256,stale=true',
  ),
  sip('BYE sip:us@192.0.2.2 SIP/2.0', 'CSeq: 2 BYE', 'Subject: folded', '\tline'),
  sip('ACK sip:us@192.0.2.2 SIP/2.0', 'CSeq: 1 ACK', 'Route: <sip:p;lr>'),
  sip('CANCEL sip:us@192.0.2.2 SIP/2.0', 'CSeq: 1 CANCEL'),
  sip('OPTIONS sip:us@192.0.2.2 SIP/2.0', 'CSeq: 9 OPTIONS', 'Accept: application/sdp'),
];

const SPICE = [
  '\r\n',
  '\r\n\r\n',
  '<',
  '>',
  '"',
  '\\',
  ',',
  ';',
  ':',
  '@',
  '=',
  '%',
  '[',
  ']',
  '\0',
  ' ',
  '999999999',
  'é',
];

/** mulberry32. */
export function randomOf(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

const MAX_CHANGES = 6;

export function mutated(random: (bound: number) => number, seeds: readonly Buffer[] = SEEDS): Buffer {
  let bytes = Buffer.from(seeds[random(seeds.length)] ?? Buffer.alloc(1));
  for (let changes = random(MAX_CHANGES) + 1; changes > 0 && bytes.length > 1; changes -= 1) {
    const at = random(bytes.length);
    const until = at + random(Math.min(80, bytes.length - at)) + 1;
    switch (random(6)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(until)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, until), bytes.subarray(at)]);
        break;
      case 3:
        bytes = bytes.subarray(0, at + 1);
        break;
      case 4: {
        const other = seeds[random(seeds.length)] ?? bytes;
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(random(other.length))]);
        break;
      }
      default:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(SPICE[random(SPICE.length)] ?? ''),
          bytes.subarray(at),
        ]);
    }
  }
  return bytes;
}
