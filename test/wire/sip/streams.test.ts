import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { generate } from 'selfsigned';
import { headerOf, serialiseMessage } from '../../../src/sip/message.ts';
import { contactOf, reply, type StreamPeer, sdpOf, streamPeer, within } from './scripted-peer.ts';
import { place, SILENT, startAgent, trunkOf } from './watched-call.ts';
import { SipUserAgent, type TrunkTarget } from '../../../src/sip/user-agent.ts';

async function byteByByte(socket: Socket, bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    if (!socket.write(Buffer.of(byte))) await once(socket, 'drain');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function streamStage(
  context: TestContext,
  ...peerOptions: Parameters<typeof streamPeer>
): Promise<{ agent: SipUserAgent; peer: StreamPeer }> {
  const agent = await startAgent(context);
  const peer = await streamPeer(...peerOptions);
  context.after(() => peer.close());
  return { agent, peer };
}

async function talkAndLeave(agent: SipUserAgent, peer: StreamPeer, trunk: TrunkTarget): Promise<void> {
  const seen = place(agent, trunk);
  const invite = await peer.request('INVITE');
  const word = peer.transport.toUpperCase();
  assert.match(headerOf(invite.message, 'Via') ?? '', new RegExp(`^SIP/2\\.0/${word} 127\\.0\\.0\\.1:\\d+;`));
  assert.match(headerOf(invite.message, 'Contact') ?? '', new RegExp(`;transport=${peer.transport}>$`));
  invite.send(reply(invite.message, 180));
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  await seen.answered;
  await peer.request('ACK');
  seen.call.hangUp();
  const bye = await peer.request('BYE');
  bye.send(reply(bye.message, 200));
  assert.deepEqual(await seen.ended, { kind: 'hung-up', by: 'us' });
}

test('calls over TCP share one connection and are not retransmitted', async (t) => {
  const { agent, peer } = await streamStage(t);
  await talkAndLeave(agent, peer, trunkOf(peer));
  await talkAndLeave(agent, peer, trunkOf(peer));
  assert.equal(peer.sockets.length, 1);
  assert.equal(peer.count('INVITE'), 2);
});

test('a peer that writes one byte at a time is understood', async (t) => {
  let writing = Promise.resolve();
  const { agent, peer } = await streamStage(t, undefined, (socket, bytes) => {
    writing = writing.then(() => byteByByte(socket, bytes));
  });
  await talkAndLeave(agent, peer, trunkOf(peer));
});

test('several messages in one segment are all taken', async (t) => {
  const { agent, peer } = await streamStage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  const answer = reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] });
  const messages = [reply(invite.message, 100), reply(invite.message, 180), answer];
  invite.send(
    Buffer.concat([
      ...messages.map(serialiseMessage),
      Buffer.from('\r\n\r\n'),
      serialiseMessage(within(peer, invite.message, 'BYE', { cseq: 2 })),
    ]),
  );
  assert.deepEqual(await seen.ended, { kind: 'hung-up', by: 'them' });
  assert.deepEqual(seen.progress, [180]);
  assert.equal(seen.answers.length, 1);
});

test('the connection is lost while the call is set up: the trunk has failed; the next call opens another', async (t) => {
  const { agent, peer } = await streamStage(t);
  const seen = place(agent, trunkOf(peer));
  await peer.request('INVITE');
  peer.sockets[0]?.destroy();
  assert.equal((await seen.ended).kind, 'trunk-failed');
  await talkAndLeave(agent, peer, trunkOf(peer));
  assert.equal(peer.sockets.length, 2);
});

test('the connection is lost during the talk: the call stands and its BYE opens another', async (t) => {
  const { agent, peer } = await streamStage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  await seen.answered;
  await peer.request('ACK');
  const [socket] = peer.sockets;
  assert.ok(socket !== undefined);
  const gone = once(socket, 'close');
  socket.end();
  await gone;
  assert.deepEqual(seen.ends, []);
  seen.call.hangUp();
  const bye = await peer.request('BYE');
  bye.send(reply(bye.message, 200));
  assert.equal(peer.sockets.length, 2);
});

test('a refused connection and broken framing fail the call', async (t) => {
  const { agent, peer } = await streamStage(t);
  const gone = await streamPeer();
  await gone.close();
  assert.equal((await place(agent, trunkOf(gone)).ended).kind, 'trunk-failed');
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(Buffer.from('SIP/2.0 200 OK\r\nVia: x\r\n\r\n'));
  assert.deepEqual(await seen.ended, { kind: 'trunk-failed', reason: 'broken framing: no Content-Length' });
});

test('a listener answers a keep-alive, and OPTIONS on the same connection', async (t) => {
  const agent = new SipUserAgent({ bind: { address: '127.0.0.1', tcpPort: 0 }, log: SILENT });
  const { tcpPort } = await agent.start();
  t.after(() => agent.stop());
  assert.ok(tcpPort !== undefined);
  const socket = connect({ host: '127.0.0.1', port: tcpPort });
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  socket.write('\r\n\r\n');
  const [pong] = (await once(socket, 'data')) as [Buffer];
  assert.equal(pong.toString(), '\r\n');
  const lines = [
    'OPTIONS sip:feige SIP/2.0',
    'v: SIP/2.0/TCP 192.0.2.1:7;branch=z9hG4bK1',
    'f: <sip:a@b>;tag=1',
    't: <sip:feige>',
    'i: 1',
    'CSeq: 1 OPTIONS',
    'l: 0',
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(
    answer.toString(),
    /^SIP\/2\.0 200 OK\r\nVia: SIP\/2\.0\/TCP 192\.0\.2\.1:7;branch=z9hG4bK1;received=127\.0\.0\.1\r\n/,
  );
});

test('300 idle connections of strangers do not keep out the BYE that a trunk sends on a new one', async (t) => {
  const agent = new SipUserAgent({ bind: { address: '127.0.0.1', tcpPort: 0 }, log: SILENT });
  const { tcpPort } = await agent.start();
  t.after(() => agent.stop());
  const peer = await streamPeer();
  t.after(() => peer.close());
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  await seen.answered;
  await peer.request('ACK');
  const to = { host: '127.0.0.1', port: tcpPort ?? assert.fail() };
  for (let n = 0; n < 300; n++) {
    const stranger = connect({ ...to, localAddress: '127.0.0.2' }).on('error', () => {});
    t.after(() => stranger.destroy());
    await once(stranger, 'connect');
  }
  const bye = connect(to);
  t.after(() => bye.destroy());
  bye.write(serialiseMessage(within(peer, invite.message, 'BYE', { cseq: 2 })));
  const [answer] = (await once(bye, 'data')) as [Buffer];
  assert.match(answer.toString(), /^SIP\/2\.0 200 /);
  assert.deepEqual(await seen.ended, { kind: 'hung-up', by: 'them' });
});

test('TLS: a call to a trunk whose certificate is trusted; one that is not, or is for another name, fails', async (t) => {
  // Not the one that is connected to (RFC 5737), as behind an address translation.
  const address = '192.0.2.9';
  const altNames = [
    { type: 2 as const, value: 'sip.operator.example' },
    { type: 7 as const, ip: address },
  ];
  const made = await generate([{ name: 'commonName', value: 'sip.operator.example' }], {
    extensions: [{ name: 'subjectAltName', altNames }],
  });
  const { agent, peer } = await streamStage(t, { key: made.private, cert: made.cert });
  const servername = 'sip.operator.example';
  for (const carried of [servername, address]) {
    await talkAndLeave(agent, peer, trunkOf(peer, { tls: { ca: made.cert, servername: carried } }));
  }
  const untrusted = place(agent, trunkOf(peer, { tls: { servername } }));
  assert.match(reasonOf(await untrusted.ended), /^the certificate is not trusted: self-signed certificate$/);
  const misnamed = place(agent, trunkOf(peer, { tls: { ca: made.cert, servername: 'other.example' } }));
  assert.match(reasonOf(await misnamed.ended), /altnames/);
  await talkAndLeave(agent, peer, trunkOf(peer, { tls: { rejectUnauthorized: false } }));
});

function reasonOf(end: { kind: string; reason?: string }): string {
  assert.equal(end.kind, 'trunk-failed');
  return end.reason ?? '';
}

test('a taken port and TLS without a certificate are refused at the start, and nothing stays open', async (t) => {
  const first = new SipUserAgent({ bind: { address: '127.0.0.1', udpPort: 0 }, log: SILENT });
  const { udpPort } = await first.start();
  t.after(() => first.stop());
  assert.ok(udpPort !== undefined);
  const second = new SipUserAgent({ bind: { address: '127.0.0.1', tcpPort: 0, udpPort }, log: SILENT });
  await assert.rejects(second.start(), { code: 'EADDRINUSE' });
  const third = new SipUserAgent({ bind: { address: '127.0.0.1', tlsPort: 0 }, log: SILENT });
  await assert.rejects(third.start(), /certificate/);
});

test('a TLS listener takes requests of peers that connect to it', async (t) => {
  const made = await generate([{ name: 'commonName', value: 'feige' }]);
  const tls = { key: made.private, cert: made.cert };
  const callee = new SipUserAgent({ bind: { address: '127.0.0.1', tlsPort: 0, tls }, log: SILENT });
  const { tlsPort } = await callee.start();
  const agent = await startAgent(t);
  t.after(() => callee.stop());
  assert.ok(tlsPort !== undefined);
  const trunk: TrunkTarget = {
    host: '127.0.0.1',
    port: tlsPort,
    transport: 'tls',
    fromUser: '1',
    domain: 'a',
    tls: { rejectUnauthorized: false },
    timerBMs: 1_000,
  };
  assert.deepEqual(await agent.options(trunk), { kind: 'alive', status: 200 });
  assert.deepEqual(await place(agent, trunk).ended, {
    kind: 'refused',
    status: 480,
    reason: 'Temporarily Unavailable',
  });
});
