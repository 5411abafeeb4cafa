import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { headerLinesOf, headerOf, type SipRequest } from '../../../src/sip/message.ts';
import type { SipTimers } from '../../../src/sip/timers.ts';
import { contactOf, type Received, reply, type ScriptedPeer, sdpOf, udpPeer, within } from './scripted-peer.ts';
import { place, QUICK_TIMERS, stage, trunkOf, type WatchedCall } from './watched-call.ts';

interface Talk {
  peer: ScriptedPeer;
  seen: WatchedCall;
  invite: Received<SipRequest>;
}

async function answeredCall(context: TestContext, timers?: SipTimers): Promise<Talk> {
  const { agent, peer } = await stage(context, timers === undefined ? {} : { timers });
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  await seen.answered;
  await peer.request('ACK');
  return { peer, seen, invite };
}

/** The callee hangs up, so that nothing waits at the end. */
async function farewell({ peer, seen, invite }: Talk): Promise<void> {
  invite.send(within(peer, invite.message, 'BYE', { cseq: 90 }));
  await peer.response(200, 'BYE');
  assert.deepEqual(await seen.ended, { kind: 'hung-up', by: 'them' });
}

test('ACK and BYE go by the recorded route, to its first hop', async (t) => {
  const { agent, peer } = await stage(t);
  const proxy = await udpPeer();
  t.after(() => proxy.close());
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  const far = '<sip:198.51.100.7;lr>';
  const near = `<sip:127.0.0.1:${proxy.port};lr;r2=on>`;
  const headers = [contactOf(peer), { name: 'Record-Route', value: far }, { name: 'Record-Route', value: near }];
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000), headers }));
  await seen.answered;
  const ack = await proxy.request('ACK');
  assert.equal(ack.message.uri, `sip:callee@${peer.address}`);
  assert.deepEqual(headerLinesOf(ack.message, 'Route'), [near, far]);
  seen.call.hangUp();
  const bye = await proxy.request('BYE');
  assert.deepEqual(headerLinesOf(bye.message, 'Route'), [near, far]);
  bye.send(reply(bye.message, 200));
  assert.equal(peer.count('BYE'), 0);
});

test('a hold and its end by re-INVITE are answered and reported', async (t) => {
  const talk = await answeredCall(t);
  const { peer, seen, invite } = talk;
  const hold = within(peer, invite.message, 'INVITE', { cseq: 5, sdp: sdpOf(41_002, { direction: 'sendonly' }) });
  const held = seen.changed();
  invite.send(hold);
  const answer = await peer.response(200, 'INVITE');
  assert.match(answer.message.body.toString(), /a=recvonly/);
  assert.match(answer.message.body.toString(), /m=audio 40000 RTP\/AVP 8 101\r\n/);
  assert.match(headerOf(answer.message, 'Contact') ?? '', /^<sip:0223456789@127\.0\.0\.1:\d+>$/);
  assert.deepEqual(await held, {
    address: '127.0.0.1',
    port: 41_002,
    payloadType: 8,
    dtmfPayloadType: 101,
    held: true,
  });
  invite.send(within(peer, invite.message, 'ACK', { cseq: 5, branch: 'z9hG4bKack5' }));
  const resumed = seen.changed();
  invite.send(within(peer, invite.message, 'INVITE', { cseq: 6, sdp: sdpOf(41_004, { formats: '0' }) }));
  const second = await peer.response(200, 'INVITE');
  assert.match(second.message.body.toString(), /a=sendrecv/);
  assert.deepEqual(await resumed, {
    address: '127.0.0.1',
    port: 41_004,
    payloadType: 0,
    dtmfPayloadType: undefined,
    held: false,
  });
  invite.send(within(peer, invite.message, 'ACK', { cseq: 6, branch: 'z9hG4bKack6' }));
  await farewell(talk);
});

test('the 200 to a re-INVITE is repeated until its ACK', async (t) => {
  const talk = await answeredCall(t, QUICK_TIMERS);
  const { peer, invite } = talk;
  invite.send(within(peer, invite.message, 'INVITE', { cseq: 5, sdp: sdpOf(41_002) }));
  const bodies = new Set<string>();
  for (let round = 0; round < 3; round += 1) {
    bodies.add((await peer.response(200, 'INVITE')).message.body.toString());
  }
  assert.equal(bodies.size, 1);
  // Before the ACK another re-INVITE comes too early.
  invite.send(within(peer, invite.message, 'INVITE', { cseq: 6, sdp: sdpOf(41_004) }));
  const early = await peer.response(500, 'INVITE');
  assert.equal(headerOf(early.message, 'Retry-After'), '1');
  invite.send(within(peer, invite.message, 'ACK', { cseq: 5, branch: 'z9hG4bKack5' }));
  await farewell(talk);
});

test('a re-INVITE that is never acknowledged ends the call with a BYE', async (t) => {
  const { agent, peer } = await stage(t, { timers: { ...QUICK_TIMERS, t1Ms: 4 } });
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  await seen.answered;
  invite.send(within(peer, invite.message, 'INVITE', { cseq: 5, sdp: sdpOf(41_002) }));
  const bye = await peer.request('BYE');
  bye.send(reply(bye.message, 200));
  assert.deepEqual(await seen.ended, { kind: 'hung-up', by: 'us' });
});

test('a re-INVITE without an offer gets ours, its ACK brings the answer, and an offer in between is glare', async (t) => {
  const talk = await answeredCall(t);
  const { peer, seen, invite } = talk;
  invite.send(within(peer, invite.message, 'INVITE', { cseq: 5 }));
  const offer = await peer.response(200, 'INVITE');
  assert.match(offer.message.body.toString(), /m=audio 40000 RTP\/AVP 8 0 101/);
  invite.send(within(peer, invite.message, 'UPDATE', { cseq: 6, sdp: sdpOf(41_010) }));
  await peer.response(491, 'UPDATE');
  invite.send(within(peer, invite.message, 'INVITE', { cseq: 7, sdp: sdpOf(41_010) }));
  await peer.response(491, 'INVITE');
  const changed = seen.changed();
  invite.send(within(peer, invite.message, 'ACK', { cseq: 5, branch: 'z9hG4bKack5', sdp: sdpOf(41_012) }));
  assert.equal((await changed).port, 41_012);
  await farewell(talk);
});

test('a re-INVITE before our own INVITE is through is glare', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 180));
  invite.send(within(peer, invite.message, 'INVITE', { cseq: 5, sdp: sdpOf(41_002) }));
  await peer.response(491, 'INVITE');
  invite.send(reply(invite.message, 486));
  assert.equal((await seen.ended).kind, 'refused');
});

test('an offer that we can not take is refused with 488 and changes nothing', async (t) => {
  const talk = await answeredCall(t);
  const { peer, seen, invite } = talk;
  for (const [method, cseq] of [
    ['INVITE', 5],
    ['UPDATE', 6],
  ] as const) {
    invite.send(within(peer, invite.message, method, { cseq, sdp: sdpOf(41_002, { formats: '18' }) }));
    await peer.response(488, method);
  }
  assert.deepEqual(seen.media, []);
  await farewell(talk);
});

test('UPDATE with and without an offer, OPTIONS, INFO and NOTIFY are answered', async (t) => {
  const talk = await answeredCall(t);
  const { peer, seen, invite } = talk;
  const changed = seen.changed();
  invite.send(within(peer, invite.message, 'UPDATE', { cseq: 5, sdp: sdpOf(41_006, { direction: 'inactive' }) }));
  assert.match((await peer.response(200, 'UPDATE')).message.body.toString(), /a=inactive/);
  assert.equal((await changed).held, true);
  let cseq = 6;
  for (const method of ['UPDATE', 'OPTIONS', 'INFO', 'NOTIFY']) {
    invite.send(within(peer, invite.message, method, { cseq, sdp: method === 'INFO' ? 'Signal=1' : '' }));
    assert.match(headerOf((await peer.response(200, method)).message, 'Allow') ?? '', /UPDATE/);
    cseq += 1;
  }
  assert.equal(seen.media.length, 1);
  await farewell(talk);
});

test('the target of BYE moves with a re-INVITE', async (t) => {
  const { peer, seen, invite } = await answeredCall(t);
  const other = await udpPeer();
  t.after(() => other.close());
  const moved = within(peer, invite.message, 'INVITE', { cseq: 5, sdp: sdpOf(41_002) });
  const headers = moved.headers.map((header) =>
    header.name === 'Contact' ? { ...header, value: `<sip:moved@${other.address}>` } : header,
  );
  const changed = seen.changed();
  invite.send({ ...moved, headers });
  await changed;
  invite.send(within(peer, invite.message, 'ACK', { cseq: 5, branch: 'z9hG4bKack5' }));
  seen.call.hangUp();
  const bye = await other.request('BYE');
  assert.equal(bye.message.uri, `sip:moved@${other.address}`);
  bye.send(reply(bye.message, 200));
});

test('strange requests inside of a call: old CSeq, wrong tag, unknown method, unknown extension, no SDP', async (t) => {
  const talk = await answeredCall(t);
  const { peer, invite } = talk;
  invite.send(within(peer, invite.message, 'INFO', { cseq: 5 }));
  await peer.response(200, 'INFO');
  invite.send(within(peer, invite.message, 'NOTIFY', { cseq: 4 }));
  await peer.response(500, 'NOTIFY');
  invite.send(within(peer, invite.message, 'BYE', { cseq: 6, tag: 'someone-else' }));
  await peer.response(481, 'BYE');
  invite.send(within(peer, invite.message, 'PUBLISH', { cseq: 7 }));
  assert.match(headerOf((await peer.response(405, 'PUBLISH')).message, 'Allow') ?? '', /BYE/);
  const demanding = { cseq: 8, headers: [{ name: 'Require', value: 'precondition' }], sdp: sdpOf(1) };
  invite.send(within(peer, invite.message, 'UPDATE', demanding));
  assert.equal(headerOf((await peer.response(420, 'UPDATE')).message, 'Unsupported'), 'precondition');
  await farewell(talk);
});

test('what belongs to no call is refused, but for OPTIONS', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  const stranger = (method: string, to: string): SipRequest => {
    const request = within(peer, invite.message, method, { cseq: 1, branch: `z9hG4bK${method}${to.length}` });
    const headers = request.headers.map((header) => {
      if (header.name === 'Call-ID') return { ...header, value: 'somebody-elses' };
      return header.name === 'To' ? { ...header, value: to } : header;
    });
    return { ...request, headers };
  };
  const expected: [string, string, number][] = [
    ['BYE', '<sip:us@example.net>;tag=unknown', 481],
    ['INVITE', '<sip:us@example.net>;tag=unknown', 481],
    ['INVITE', '<sip:us@example.net>', 480],
    ['NOTIFY', '<sip:us@example.net>', 481],
    ['CANCEL', '<sip:us@example.net>', 481],
    ['REGISTER', '<sip:us@example.net>', 405],
    ['OPTIONS', '<sip:us@example.net>', 200],
  ];
  for (const [method, to, status] of expected) {
    invite.send(stranger(method, to));
    await peer.response(status, method);
  }
  invite.send(reply(invite.message, 486));
  await seen.ended;
});
