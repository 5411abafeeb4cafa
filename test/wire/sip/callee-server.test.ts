import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { SipCalleeServer } from '../../../src/sip/callee-server.ts';
import type { CalleeEnd, CalleeSession, RemoteMedia } from '../../../src/sip/callee-session.ts';
import { headerLinesOf, headerOf, NO_BODY, type SipHeader, type SipRequest } from '../../../src/sip/message.ts';
import { type Received, type ScriptedPeer, sdpOf, udpPeer } from './scripted-peer.ts';
import { QUICK_TIMERS, SILENT, startAgent, place } from './watched-call.ts';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { serialiseMessage } from '../../../src/sip/message.ts';
import type { SipTimers } from '../../../src/sip/timers.ts';

const MEDIA = { address: '127.0.0.1', port: 42_000 };

interface Stage {
  port: number;
  caller: Caller;
  /** The next call that comes in. */
  session: Promise<CalleeSession>;
  ended: Promise<CalleeEnd>;
  acknowledged: Promise<void>;
  media: RemoteMedia[];
}

/** A caller made of a socket. */
class Caller {
  readonly peer: ScriptedPeer;
  readonly #port: number;
  readonly #socket = createSocket('udp4');

  constructor(peer: ScriptedPeer, port: number) {
    this.peer = peer;
    this.#port = port;
  }

  request(
    method: string,
    options: { cseq?: number; to?: string; sdp?: string; branch?: string; headers?: SipHeader[] } = {},
  ): void {
    const { cseq = 1, to = '<sip:0900000100@test>', sdp, branch = 'z9hG4bKcall', headers = [] } = options;
    const message: SipRequest = {
      kind: 'request',
      method,
      uri: 'sip:0900000100@127.0.0.1',
      headers: [
        { name: 'Via', value: `SIP/2.0/UDP 127.0.0.1:${this.peer.port};branch=${branch}` },
        { name: 'From', value: '"A caller" <sip:0223456789@test>;tag=caller' },
        { name: 'To', value: to },
        { name: 'Call-ID', value: 'a-call' },
        { name: 'CSeq', value: `${cseq} ${method}` },
        { name: 'Contact', value: `<sip:caller@127.0.0.1:${this.peer.port}>` },
        { name: 'Content-Type', value: 'application/sdp' },
        ...headers,
      ],
      body: sdp === undefined ? NO_BODY : Buffer.from(sdp),
    };
    this.#socket.send(serialiseMessage(message), this.#port, '127.0.0.1');
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
    await this.peer.close();
  }
}

async function stage(context: TestContext, timers: SipTimers = QUICK_TIMERS): Promise<Stage> {
  const session = Promise.withResolvers<CalleeSession>();
  const ended = Promise.withResolvers<CalleeEnd>();
  const acknowledged = Promise.withResolvers<void>();
  const media: RemoteMedia[] = [];
  const server = new SipCalleeServer({
    bind: { address: '127.0.0.1', udpPort: 0 },
    log: SILENT,
    timers,
    onInvite: (call) => {
      call.handlers = {
        onAcknowledged: () => acknowledged.resolve(),
        onMediaChanged: (changed) => media.push(changed),
        onEnded: (end) => ended.resolve(end),
      };
      session.resolve(call);
    },
  });
  const { udpPort } = await server.start();
  assert.ok(udpPort !== undefined);
  context.after(() => server.stop());
  const caller = new Caller(await udpPeer(), udpPort);
  context.after(() => caller.close());
  return {
    port: udpPort,
    caller,
    session: session.promise,
    ended: ended.promise,
    acknowledged: acknowledged.promise,
    media,
  };
}

function toOf({ message }: Received): string {
  return headerOf(message, 'To') ?? '';
}

test('a call rings, is answered until its ACK comes, and the caller hangs up', async (t) => {
  const { caller, session, ended, acknowledged } = await stage(t);
  const route = { name: 'Record-Route', value: '<sip:127.0.0.1:9;lr>' };
  caller.request('INVITE', { sdp: sdpOf(41_000), headers: [route] });
  const call = await session;
  assert.equal(call.dialled, '0900000100');
  assert.equal(call.caller, '0223456789');
  assert.equal(call.offered?.port, 41_000);
  call.progress(180);
  await caller.peer.response(180, 'INVITE');
  call.answer(MEDIA);
  await caller.peer.response(200, 'INVITE');
  const repeated = await caller.peer.response(200, 'INVITE');
  assert.match(repeated.message.body.toString(), /m=audio 42000 RTP\/AVP 8 101/);
  assert.deepEqual(headerLinesOf(repeated.message, 'Record-Route'), [route.value]);
  caller.request('ACK', { to: toOf(repeated), branch: 'z9hG4bKack' });
  await acknowledged;
  caller.request('BYE', { cseq: 2, to: toOf(repeated), branch: 'z9hG4bKbye' });
  await caller.peer.response(200, 'BYE');
  assert.deepEqual(await ended, { kind: 'hung-up', by: 'them' });
});

test('the callee hangs up: its BYE waits for the ACK', async (t) => {
  const { caller, session, ended } = await stage(t);
  caller.request('INVITE', { sdp: sdpOf(41_000) });
  const call = await session;
  call.answer(MEDIA);
  call.hangUp();
  const answer = await caller.peer.response(200, 'INVITE');
  assert.equal(caller.peer.count('BYE'), 0);
  caller.request('ACK', { to: toOf(answer), branch: 'z9hG4bKack' });
  const bye = await caller.peer.request('BYE');
  assert.equal(bye.message.uri, `sip:caller@127.0.0.1:${caller.peer.port}`);
  assert.deepEqual(await ended, { kind: 'hung-up', by: 'us' });
});

test('an answer that is never acknowledged is taken back with a BYE', async (t) => {
  const { caller, session, ended } = await stage(t, { t1Ms: 4, t2Ms: 16, t4Ms: 16 });
  caller.request('INVITE', { sdp: sdpOf(41_000) });
  (await session).answer(MEDIA);
  await caller.peer.request('BYE');
  assert.deepEqual(await ended, { kind: 'no-ack' });
});

test('a refusal is repeated until its ACK', async (t) => {
  const { caller, session, ended } = await stage(t);
  caller.request('INVITE', { sdp: sdpOf(41_000) });
  (await session).refuse(486);
  await caller.peer.response(486, 'INVITE');
  const repeated = await caller.peer.response(486, 'INVITE');
  caller.request('ACK', { to: toOf(repeated) });
  assert.deepEqual(await ended, { kind: 'refused', status: 486 });
});

test('a CANCEL is answered and ends the call with 487', async (t) => {
  const { caller, session, ended } = await stage(t);
  caller.request('INVITE', { sdp: sdpOf(41_000) });
  (await session).progress(180);
  await caller.peer.response(180, 'INVITE');
  caller.request('CANCEL');
  const ok = await caller.peer.response(200, 'CANCEL');
  const gone = await caller.peer.response(487, 'INVITE');
  assert.equal(toOf(ok), toOf(gone));
  assert.deepEqual(await ended, { kind: 'cancelled' });
});

test('an INVITE that nobody answers yet gets a 100, and its repetition makes no second call', async (t) => {
  const { caller, session } = await stage(t);
  caller.request('INVITE', { sdp: sdpOf(41_000) });
  await session;
  await caller.peer.response(100, 'INVITE');
  caller.request('INVITE', { sdp: sdpOf(41_000) });
  await caller.peer.response(100, 'INVITE');
  (await session).refuse(480);
  await caller.peer.response(480, 'INVITE');
});

test('an INVITE without an offer gets one, and its ACK says where the caller listens', async (t) => {
  const { caller, session, acknowledged, media } = await stage(t);
  caller.request('INVITE');
  const call = await session;
  assert.equal(call.offered, undefined);
  call.answer(MEDIA);
  const answer = await caller.peer.response(200, 'INVITE');
  assert.match(answer.message.body.toString(), /RTP\/AVP 8 0 101/);
  caller.request('ACK', { to: toOf(answer), branch: 'z9hG4bKack', sdp: sdpOf(41_020) });
  await acknowledged;
  assert.equal(media[0]?.port, 41_020);
});

test('an offer of which nothing fits is refused with 488', async (t) => {
  const { caller, session, ended } = await stage(t);
  caller.request('INVITE', { sdp: sdpOf(41_000, { formats: '18' }) });
  (await session).answer(MEDIA);
  await caller.peer.response(488, 'INVITE');
  assert.deepEqual(await ended, { kind: 'refused', status: 488 });
});

test('the user agent and the callee server understand each other over every transport they share', async (t) => {
  const ends: CalleeEnd[] = [];
  const server = new SipCalleeServer({
    bind: { address: '127.0.0.1', udpPort: 0, tcpPort: 0 },
    log: SILENT,
    onInvite: (call) => {
      call.handlers = { onAcknowledged: () => call.hangUp(), onEnded: (end) => ends.push(end) };
      call.progress(183, MEDIA);
      call.answer(MEDIA);
    },
  });
  const ports = await server.start();
  const agent = await startAgent(t);
  t.after(() => server.stop());
  for (const [transport, port] of [
    ['udp', ports.udpPort],
    ['tcp', ports.tcpPort],
  ] as const) {
    assert.ok(port !== undefined);
    const trunk = { host: '127.0.0.1', port, transport, fromUser: '1', domain: 'test', timerBMs: 1_000 };
    assert.deepEqual(await agent.options(trunk), { kind: 'alive', status: 200 });
    const seen = place(agent, trunk);
    assert.equal((await seen.answered).port, MEDIA.port);
    assert.deepEqual(await seen.ended, { kind: 'hung-up', by: 'them' });
  }
  assert.deepEqual(ends, [
    { kind: 'hung-up', by: 'us' },
    { kind: 'hung-up', by: 'us' },
  ]);
});

test('an INVITE that is not authorized gets the challenge, and makes no call', async (t) => {
  const dialled: string[] = [];
  const challenge = { name: 'WWW-Authenticate', value: 'Digest realm="r", nonce="n", qop="auth"' };
  const server = new SipCalleeServer({
    bind: { address: '127.0.0.1', udpPort: 0 },
    log: SILENT,
    authorize: (request) =>
      headerOf(request, 'Authorization') === undefined ? { status: 401, headers: [challenge] } : undefined,
    onInvite: (call) => {
      dialled.push(call.dialled);
      call.refuse(486);
    },
  });
  const { udpPort } = await server.start();
  const agent = await startAgent(t);
  t.after(() => server.stop());
  assert.ok(udpPort !== undefined);
  const trunk = {
    host: '127.0.0.1',
    port: udpPort,
    transport: 'udp',
    fromUser: '1',
    domain: 't',
    timerBMs: 1_000,
  } as const;
  assert.equal((await place(agent, trunk).ended).kind, 'trunk-failed');
  assert.deepEqual(dialled, []);
  const end = await place(agent, { ...trunk, username: 'u', password: 'p' }).ended;
  assert.deepEqual(end, { kind: 'refused', status: 486, reason: 'Busy Here' });
  assert.deepEqual(dialled, ['0912345678']);
});
