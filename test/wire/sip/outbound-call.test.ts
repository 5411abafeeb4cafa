import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cseqNumber } from '../../../src/sip/client-transaction.ts';
import { identify } from '../../../src/sip/header-values.ts';
import { headerLinesOf, headerOf } from '../../../src/sip/message.ts';
import type { CallEnd } from '../../../src/sip/user-agent.ts';
import { contactOf, reply, sdpOf, within } from './scripted-peer.ts';
import { place, QUICK_TIMERS, stage, trunkOf } from './watched-call.ts';

const MEDIA = { address: '127.0.0.1', port: 41_000, payloadType: 8, dtmfPayloadType: 101, held: false };

test('a call is offered, rings, is answered, and the callee hangs up', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  assert.equal(invite.message.uri, 'sip:0912345678@operator.example');
  assert.match(headerOf(invite.message, 'From') ?? '', /^<sip:0223456789@operator\.example>;tag=\S+$/);
  assert.equal(headerOf(invite.message, 'Max-Forwards'), '70');
  assert.equal(headerOf(invite.message, 'Supported'), undefined);
  assert.match(headerOf(invite.message, 'Via') ?? '', /^SIP\/2\.0\/UDP 127\.0\.0\.1:\d+;branch=z9hG4bK\S+;rport$/);
  assert.match(invite.message.body.toString(), /m=audio 40000 RTP\/AVP 8 0 101\r\n/);
  invite.send(reply(invite.message, 100));
  invite.send(reply(invite.message, 180));
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  assert.deepEqual(await seen.answered, MEDIA);
  const ack = await peer.request('ACK');
  assert.equal(ack.message.uri, `sip:callee@${peer.address}`);
  assert.equal(identify(ack.message)?.toTag, 'peer-tag');
  assert.equal(headerOf(ack.message, 'CSeq'), '1 ACK');
  assert.notEqual(identify(ack.message)?.branch, identify(invite.message)?.branch);
  invite.send(within(peer, invite.message, 'BYE', { cseq: 7 }));
  await peer.response(200, 'BYE');
  assert.deepEqual(await seen.ended, { kind: 'hung-up', by: 'them' });
  assert.deepEqual(seen.progress, [180]);
  assert.deepEqual(seen.lines, [
    'sent INVITE sip:0912345678@operator.example (1 INVITE)',
    'received 100 Trying (1 INVITE)',
    'received 180 Ringing (1 INVITE)',
    'received 200 OK (1 INVITE)',
    `sent ACK sip:callee@${peer.address} (1 ACK)`,
    `received ${startLine(within(peer, invite.message, 'BYE', { cseq: 7 }))} (7 BYE)`,
    'sent 200 OK (7 BYE)',
  ]);
});

function startLine({ method, uri }: { method: string; uri: string }): string {
  return `${method} ${uri}`;
}

test('hanging up an answered call sends one BYE with the next CSeq', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  await seen.answered;
  seen.call.hangUp();
  seen.call.hangUp();
  assert.deepEqual(seen.ends, [{ kind: 'hung-up', by: 'us' }]);
  const bye = await peer.request('BYE');
  assert.equal(headerOf(bye.message, 'CSeq'), '2 BYE');
  bye.send(reply(bye.message, 200));
  await agent.stop();
  assert.equal(peer.count('BYE'), 1);
});

test('both sides hang up at once: each BYE is answered, the call ends once', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  await seen.answered;
  seen.call.hangUp();
  const bye = await peer.request('BYE');
  invite.send(within(peer, invite.message, 'BYE', { cseq: 3 }));
  await peer.response(200, 'BYE');
  bye.send(reply(bye.message, 200));
  await agent.stop();
  assert.deepEqual(seen.ends, [{ kind: 'hung-up', by: 'us' }]);
});

const REFUSALS: readonly [number, CallEnd, boolean?][] = [
  [486, { kind: 'refused', status: 486, reason: 'Busy Here' }],
  [404, { kind: 'refused', status: 404, reason: 'Not Found' }],
  [480, { kind: 'refused', status: 480, reason: 'Temporarily Unavailable' }],
  [487, { kind: 'refused', status: 487, reason: 'Request Terminated' }],
  [600, { kind: 'refused', status: 600, reason: 'Busy Everywhere' }],
  [603, { kind: 'refused', status: 603, reason: 'Decline' }],
  [408, { kind: 'refused', status: 408, reason: 'Request Timeout' }, true],
  [408, { kind: 'trunk-failed', status: 408, reason: '408 Request Timeout' }],
  [503, { kind: 'trunk-failed', status: 503, reason: '503 Service Unavailable' }],
  [500, { kind: 'trunk-failed', status: 500, reason: '500 Server Internal Error' }],
  [302, { kind: 'trunk-failed', status: 302, reason: '302 Unknown' }],
  [401, { kind: 'trunk-failed', status: 401, reason: 'credentials wanted' }],
];

for (const [status, end, rings = false] of REFUSALS) {
  test(`${status}${rings ? ' after ringing' : ''} ends the call as ${end.kind} and is acknowledged`, async (t) => {
    const { agent, peer } = await stage(t);
    const seen = place(agent, trunkOf(peer));
    const invite = await peer.request('INVITE');
    if (rings) invite.send(reply(invite.message, 180));
    invite.send(reply(invite.message, status));
    assert.deepEqual(await seen.ended, end);
    const ack = await peer.request('ACK');
    assert.equal(identify(ack.message)?.branch, identify(invite.message)?.branch);
    assert.equal(ack.message.uri, invite.message.uri);
    // The ACK was lost: the repeated refusal gets another one.
    invite.send(reply(invite.message, status));
    await peer.request('ACK');
    assert.equal(seen.ends.length, 1);
  });
}

test('nobody answers: CANCEL, its 487, and the call ends as no-answer', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer), { ringTimeoutMs: 60 });
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 180));
  const cancel = await peer.request('CANCEL');
  assert.deepEqual(headerLinesOf(cancel.message, 'Via'), headerLinesOf(invite.message, 'Via'));
  assert.equal(cancel.message.uri, invite.message.uri);
  assert.equal(headerOf(cancel.message, 'To'), headerOf(invite.message, 'To'));
  assert.equal(cseqNumber(cancel.message), cseqNumber(invite.message));
  cancel.send(reply(cancel.message, 200));
  assert.deepEqual(seen.ends, []);
  invite.send(reply(invite.message, 487));
  assert.deepEqual(await seen.ended, { kind: 'no-answer' });
  await peer.request('ACK');
});

test('a trunk that says 100 and nothing more has failed', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer), { ringTimeoutMs: 60 });
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 100));
  const cancel = await peer.request('CANCEL');
  cancel.send(reply(cancel.message, 200));
  invite.send(reply(invite.message, 487));
  const end = await seen.ended;
  assert.equal(end.kind, 'trunk-failed');
});

test('an answer that crosses our CANCEL is acknowledged and hung up, and was never an answer', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer), { ringTimeoutMs: 40 });
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 180));
  const cancel = await peer.request('CANCEL');
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  cancel.send(reply(cancel.message, 481));
  await peer.request('ACK');
  const bye = await peer.request('BYE');
  bye.send(reply(bye.message, 200));
  assert.deepEqual(await seen.ended, { kind: 'no-answer' });
  assert.deepEqual(seen.answers, []);
});

test('a CANCEL waits for the first provisional answer', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  seen.call.hangUp();
  // Repeated, for it is unanswered; and no CANCEL in between.
  await peer.request('INVITE');
  await peer.request('INVITE');
  assert.equal(peer.count('CANCEL'), 0);
  invite.send(reply(invite.message, 180));
  const cancel = await peer.request('CANCEL');
  cancel.send(reply(cancel.message, 200));
  invite.send(reply(invite.message, 487));
  assert.deepEqual(await seen.ended, { kind: 'cancelled' });
  assert.deepEqual(seen.progress, []);
});

test('a CANCEL that is never followed by a final answer ends the call after 64·T1', async (t) => {
  const { agent, peer } = await stage(t, { timers: { t1Ms: 4, t2Ms: 16, t4Ms: 16 } });
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 180));
  const startedAtMs = performance.now();
  seen.call.hangUp();
  const cancel = await peer.request('CANCEL');
  cancel.send(reply(cancel.message, 200));
  assert.deepEqual(await seen.ended, { kind: 'cancelled' });
  assert.ok(performance.now() - startedAtMs > 64 * 4 - 50);
});

test('a second answer of a forked call is acknowledged and hung up, the first one stays', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  const answer = { sdp: sdpOf(41_000), headers: [contactOf(peer)] };
  invite.send(reply(invite.message, 200, { ...answer, tag: 'first' }));
  await peer.request('ACK');
  invite.send(reply(invite.message, 200, { ...answer, tag: 'second' }));
  const ack = await peer.request('ACK');
  assert.equal(identify(ack.message)?.toTag, 'second');
  const bye = await peer.request('BYE');
  assert.equal(identify(bye.message)?.toTag, 'second');
  bye.send(reply(bye.message, 200));
  assert.equal(seen.answers.length, 1);
  assert.deepEqual(seen.ends, []);
  invite.send(within(peer, invite.message, 'BYE', { cseq: 2, tag: 'first' }));
  assert.deepEqual(await seen.ended, { kind: 'hung-up', by: 'them' });
});

test('an answer without usable media is acknowledged and hung up', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 200, { sdp: sdpOf(41_000, { formats: '18' }), headers: [contactOf(peer)] }));
  await peer.request('ACK');
  const bye = await peer.request('BYE');
  bye.send(reply(bye.message, 200));
  const end = await seen.ended;
  assert.equal(end.kind === 'trunk-failed' && end.status, 200);
});

test('a description that came early counts when the answer has none', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 183, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  invite.send(reply(invite.message, 200, { headers: [contactOf(peer)] }));
  assert.deepEqual(await seen.answered, MEDIA);
  assert.deepEqual(seen.progress, [183]);
  invite.send(within(peer, invite.message, 'BYE', { cseq: 2 }));
  await seen.ended;
});

test('a trunk that demands reliable provisional answers is given up with that reason', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  const reliable = [
    { name: 'Require', value: '100rel' },
    { name: 'RSeq', value: '1' },
  ];
  invite.send(reply(invite.message, 180, { headers: reliable }));
  const cancel = await peer.request('CANCEL');
  cancel.send(reply(cancel.message, 200));
  invite.send(reply(invite.message, 487));
  const end = await seen.ended;
  assert.match(end.kind === 'trunk-failed' ? end.reason : '', /100rel/);
});

test('stopping hangs up what is answered, cancels what rings, and leaves no timer', async (t) => {
  const timersBefore = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const { agent, peer } = await stage(t);
  const talking = place(agent, trunkOf(peer));
  const first = await peer.request('INVITE');
  first.send(reply(first.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  await talking.answered;
  const ringing = place(agent, trunkOf(peer));
  const second = await peer.request('INVITE');
  second.send(reply(second.message, 180));
  while (ringing.progress.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const stopping = agent.stop();
  const bye = await peer.request('BYE');
  bye.send(reply(bye.message, 200));
  second.send(reply(second.message, 487));
  await stopping;
  assert.deepEqual(talking.ends, [{ kind: 'hung-up', by: 'us' }]);
  assert.deepEqual(ringing.ends, [{ kind: 'cancelled' }]);
  assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, timersBefore);
});
