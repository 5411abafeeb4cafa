import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { FollowingClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { decodeG711, encodeG711, PCMA, PCMU } from '../../../src/sip/g711.ts';
import { KeyPresses } from '../../../src/sip/rtp-events.ts';
import { SimulatedTelephone, type SimulatedTelephoneOptions } from '../../../src/simulator/callee.ts';
import type { SimulatedCall } from '../../../src/simulator/calls.ts';
import { rtpPortOf, ScriptedCaller } from './callee-caller.ts';

const WAIT_MS = 10_000;

async function start(t: TestContext, options: Partial<SimulatedTelephoneOptions> = {}) {
  const telephone = new SimulatedTelephone({
    host: '127.0.0.1',
    port: 0,
    log: createLogger({ level: 'silent' }),
    clock: new FollowingClock(),
    dataDir: undefined,
    ringMs: 20,
    ...options,
  });
  const { port } = await telephone.start();
  t.after(() => telephone.stop());
  const dial = async (to: string, codecs?: string): Promise<ScriptedCaller> => {
    const caller = await ScriptedCaller.open({ port, to, ...(codecs !== undefined && { codecs }) });
    t.after(() => caller.close());
    return caller;
  };
  const ended = async (number: string): Promise<SimulatedCall> => {
    const last = telephone.calls.of(number).at(-1);
    const call = last?.endedAtMs === undefined ? await telephone.calls.waitForNext(number, WAIT_MS) : last;
    assert.ok(call, 'the call did not end');
    return call;
  };
  return { telephone, port, dial, ended };
}

/** A second of a rising tone, as it sounds after the codec. */
function sweep(payloadType: 0 | 8): { encoded: Buffer; samples: Int16Array } {
  const encoded = encodeG711(
    payloadType,
    Int16Array.from({ length: 8_000 }, (_, index) => 12_000 * Math.sin((index * index) / 20_000)),
  );
  return { encoded, samples: decodeG711(payloadType, encoded) };
}

for (const [number, status, what] of [
  ['0900000101', 486, 'is busy'],
  ['886900000103', 603, 'declines'],
  ['+886900000104', 404, 'is unknown'],
  ['0900000107', 503, 'has no trunk'],
  ['alice', 404, 'is no number'],
] as const) {
  test(`${number} ${what}: ${status}`, async (t) => {
    const { telephone, dial, ended } = await start(t);
    const caller = await dial(number);
    caller.invite();
    await caller.response(status);
    caller.ack({ refused: true });
    assert.ok(!caller.received.some((message) => message.start.startsWith('SIP/2.0 200')));
    if (number === 'alice') {
      assert.deepEqual(telephone.calls.numbers(), []);
      return;
    }
    const {
      number: known,
      endedBy,
      status: answer,
      answeredAtMs,
      callId,
      from,
    } = await ended(number.replace(/^\+?886/, '0'));
    assert.deepEqual([endedBy, answer, answeredAtMs, from], ['phone', status, undefined, '0277001234']);
    assert.equal(callId, caller.callId);
    assert.equal(known, number.replace(/^\+?886/, '0'));
  });
}

test('0900000102 rings until it is cancelled', async (t) => {
  const { telephone, dial, ended } = await start(t);
  const caller = await dial('0900000102');
  caller.invite();
  await caller.response(180);
  assert.equal(telephone.ongoing, 1);
  caller.cancel();
  await caller.response(200, 'CANCEL');
  await caller.response(487);
  caller.ack({ refused: true });
  const call = await ended('0900000102');
  assert.deepEqual([call.endedBy, call.status, call.answeredAtMs], ['caller', 487, undefined]);
  assert.equal(telephone.ongoing, 0);
});

for (const [codec, payloadType, codecs] of [
  ['PCMA', PCMA, '8 0 101'],
  ['PCMU', PCMU, '0 8 101'],
] as const) {
  test(`any other number rings, answers in ${codec} and records what it hears, the lost packets as silence`, async (t) => {
    const { telephone, dial, ended } = await start(t);
    const caller = await dial('0912345678', codecs);
    caller.invite();
    await caller.response(180);
    const port = await caller.answered();
    const { encoded, samples } = sweep(payloadType);
    caller.play(port, encoded, payloadType);
    for (let packet = 0; packet < 5; packet += 1) caller.skip();
    caller.play(port, encoded, payloadType);
    const [call] = telephone.calls.of('0912345678');
    assert.ok(call);
    while (call.packets < 100) await new Promise((resolve) => setImmediate(resolve));
    while (caller.heard.length === 0) await caller.happens();
    assert.equal(caller.heard[0]?.payloadType, payloadType);
    assert.ok(decodeG711(payloadType, caller.heard[0]?.payload ?? Buffer.alloc(0)).every((one) => Math.abs(one) <= 8));
    caller.bye();
    await caller.response(200, 'BYE');
    const { endedBy, status, codec: agreed, packets, lost, recording } = await ended('0912345678');
    assert.deepEqual([endedBy, status, agreed, packets, lost], ['caller', 200, codec, 100, 5]);
    const heard = recording?.decode() ?? new Int16Array();
    const silence = decodeG711(payloadType, Buffer.alloc(800, payloadType === PCMA ? 0xd5 : 0xff));
    assert.deepEqual(heard, Int16Array.from([...samples, ...silence, ...samples]));
  });
}

test('an INVITE without an offer is answered with one, and heard and spoken to after its ACK', async (t) => {
  const { dial, ended } = await start(t);
  const caller = await dial('0912345678', '0 101');
  caller.inviteWithoutOffer();
  const offer = await caller.response(200);
  assert.match(offer.body, /^m=audio \d+ RTP\/AVP 8 0 101/m);
  caller.ackWithAnswer();
  while (caller.heard.length < 3) await caller.happens();
  assert.equal(caller.heard.at(-1)?.payloadType, PCMU);
  const encoded = encodeG711(PCMU, new Int16Array(1_600).fill(1_000));
  caller.play(rtpPortOf(offer), encoded, PCMU);
  caller.bye();
  const call = await ended('0912345678');
  assert.equal(call.packets, 10);
  const inPcma = decodeG711(PCMA, encodeG711(PCMA, decodeG711(PCMU, encoded)));
  assert.deepEqual(call.recording?.decode(), inPcma, 'the recording keeps the codec it began in');
});

test('0900000105 hangs up a second after its answer', async (t) => {
  const { dial, ended } = await start(t);
  const caller = await dial('0900000105');
  await caller.answered();
  const answeredMs = performance.now();
  await caller.request('BYE');
  const passedMs = performance.now() - answeredMs;
  assert.ok(passedMs > 900 && passedMs < 3_000, `${passedMs}`);
  assert.equal((await ended('0900000105')).endedBy, 'phone');
});

test('0900000106 answers and is mute, but listens', async (t) => {
  const { dial, ended } = await start(t);
  const [mute, other] = [await dial('0900000106'), await dial('0900000100')];
  const port = await mute.answered();
  const { encoded, samples } = sweep(PCMA);
  mute.play(port, encoded);
  await other.answered();
  // Twenty frames of a telephone that is not mute.
  while (other.heard.length < 20) await other.happens();
  assert.equal(mute.heard.length, 0);
  mute.bye();
  assert.deepEqual((await ended('0900000106')).recording?.decode(), samples);
});

test('0900000108 presses 1 after each message', async (t) => {
  const { dial, ended } = await start(t);
  const caller = await dial('0900000108');
  const port = await caller.answered();
  const presses = new KeyPresses();
  let looked = 0;
  const untilPressed = async (): Promise<string> => {
    for (;;) {
      for (const packet of caller.heard.slice(looked)) {
        looked += 1;
        const key = packet.payloadType === 101 ? presses.take(packet) : undefined;
        if (key !== undefined) return key;
      }
      await caller.happens();
    }
  };
  for (let message = 0; message < 2; message += 1) {
    caller.play(port, sweep(PCMA).encoded);
    const saidMs = performance.now();
    assert.equal(await untilPressed(), '1');
    assert.ok(performance.now() - saidMs > 900, 'it waits for the end');
  }
  caller.bye();
  assert.equal((await ended('0900000108')).pressed, '11');
});

test('with a password every INVITE is challenged, and the right answer is let in', async (t) => {
  const { telephone, dial } = await start(t, { realm: 'sandbox', username: 'feige', password: 'secret' });
  const caller = await dial('0912345678');
  caller.invite();
  const challenge = await caller.response(401);
  assert.match(challenge.headers.get('www-authenticate') ?? '', /^Digest .*realm="sandbox"/);
  caller.ack({ refused: true });
  assert.deepEqual(telephone.calls.numbers(), []);
  caller.invite({ username: 'feige', password: 'secret' });
  await caller.response(200);
  caller.ack();
  caller.bye();
  await caller.response(200, 'BYE');
});

test('a wrong password is not let in', async (t) => {
  const { telephone, dial } = await start(t, { realm: 'sandbox', username: 'feige', password: 'secret' });
  const caller = await dial('0912345678');
  caller.invite();
  await caller.response(401);
  caller.ack({ refused: true });
  caller.invite({ username: 'feige', password: 'wrong' });
  await caller.until(({ start, headers }) => /^SIP\/2\.0 40[13]/.test(start) && headers.get('cseq') === '2 INVITE');
  assert.deepEqual(telephone.calls.numbers(), []);
});

test('the same port speaks TCP', async (t) => {
  const { port, ended } = await start(t);
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n';
  socket.write(
    [
      'INVITE sip:0900000101@127.0.0.1 SIP/2.0',
      'Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK-tcp',
      'Max-Forwards: 70',
      'From: <sip:1@127.0.0.1>;tag=1',
      'To: <sip:0900000101@127.0.0.1>',
      'Call-ID: tcp-call',
      'CSeq: 1 INVITE',
      'Contact: <sip:1@127.0.0.1:9;transport=tcp>',
      'Content-Type: application/sdp',
      `Content-Length: ${sdp.length}`,
      '',
      sdp,
    ].join('\r\n'),
  );
  let text = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    text += chunk.toString();
    if (text.includes('SIP/2.0 486')) break;
  }
  assert.equal((await ended('0900000101')).callId, 'tcp-call');
});

test('stopping hangs up on who is on the line', async (t) => {
  const { telephone, dial } = await start(t);
  const caller = await dial('0912345678');
  await caller.answered();
  const stopped = telephone.stop();
  await caller.request('BYE');
  await stopped;
  const [call] = telephone.calls.of('0912345678');
  assert.equal(call?.endedBy, 'phone');
  assert.equal(telephone.ongoing, 0);
});

test('a taken port is said', async (t) => {
  const { port } = await start(t);
  const second = new SimulatedTelephone({
    host: '127.0.0.1',
    port,
    log: createLogger({ level: 'silent' }),
    clock: new FollowingClock(),
    dataDir: undefined,
  });
  await assert.rejects(second.start(), /EADDRINUSE/);
});
