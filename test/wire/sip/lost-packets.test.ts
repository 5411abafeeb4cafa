import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { identify } from '../../../src/sip/header-values.ts';
import { contactOf, reply, sdpOf, udpPeer, within } from './scripted-peer.ts';
import { place, QUICK_TIMERS, stage, trunkOf } from './watched-call.ts';

test('an INVITE that is lost three times is repeated with growing intervals and still gets through', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  peer.drop = 3;
  const startedAtMs = performance.now();
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  // T1 + 2·T1 + 4·T1.
  assert.ok(performance.now() - startedAtMs >= 7 * QUICK_TIMERS.t1Ms - 5);
  assert.equal(seen.lines.filter((line) => line.startsWith('sent INVITE')).length, 4);
  invite.send(reply(invite.message, 486));
  await seen.ended;
});

test('no INVITE is repeated after a provisional answer', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 100));
  const trying = 'received 100 Trying (1 INVITE)';
  while (!seen.lines.includes(trying)) await new Promise((resolve) => setImmediate(resolve));
  // Nothing can be waited for: this is longer than three intervals.
  await pause(8 * QUICK_TIMERS.t1Ms);
  assert.equal(seen.lines.at(-1), trying);
  invite.send(reply(invite.message, 486));
  await seen.ended;
});

test('a lost ACK brings the 200 again, and that brings the same ACK again', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  peer.drop = 1;
  const answer = reply(invite.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] });
  invite.send(answer);
  await seen.answered;
  invite.send(answer);
  const first = await peer.request('ACK');
  invite.send(answer);
  const second = await peer.request('ACK');
  assert.deepEqual(second.message, first.message);
  assert.equal(seen.answers.length, 1);
  invite.send(within(peer, invite.message, 'BYE', { cseq: 2 }));
  await seen.ended;
});

test('a lost BYE is repeated, and a repeated BYE of the callee gets the same answer again', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  const answer = { sdp: sdpOf(41_000), headers: [contactOf(peer)] };
  const ours = place(agent, trunkOf(peer));
  const first = await peer.request('INVITE');
  first.send(reply(first.message, 200, answer));
  await ours.answered;
  await peer.request('ACK');
  peer.drop = 2;
  ours.call.hangUp();
  const bye = await peer.request('BYE');
  bye.send(reply(bye.message, 200));
  const theirs = place(agent, trunkOf(peer));
  const second = await peer.request('INVITE');
  second.send(reply(second.message, 200, answer));
  await theirs.answered;
  const request = within(peer, second.message, 'BYE', { cseq: 2 });
  second.send(request);
  const once = await peer.response(200, 'BYE');
  second.send(request);
  const twice = await peer.response(200, 'BYE');
  assert.deepEqual(twice.message, once.message);
  assert.equal(theirs.ends.length, 1);
});

test('a lost CANCEL is repeated', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 180));
  while (seen.progress.length === 0) await new Promise((resolve) => setImmediate(resolve));
  peer.drop = 2;
  seen.call.hangUp();
  const cancel = await peer.request('CANCEL');
  cancel.send(reply(cancel.message, 200));
  invite.send(reply(invite.message, 487));
  assert.deepEqual(await seen.ended, { kind: 'cancelled' });
});

test('a trunk that never answers fails after timer B, and is not asked for 32 s', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  const startedAtMs = performance.now();
  const seen = place(agent, trunkOf(peer, { timerBMs: 150 }));
  assert.deepEqual(await seen.ended, { kind: 'trunk-failed', reason: 'no response from the trunk' });
  const elapsedMs = performance.now() - startedAtMs;
  assert.ok(elapsedMs >= 145 && elapsedMs < 1_000, `${elapsedMs} ms`);
});

test('hanging up before any answer from a silent trunk ends with timer B, without a CANCEL', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  const seen = place(agent, trunkOf(peer, { timerBMs: 120 }));
  await peer.request('INVITE');
  seen.call.hangUp();
  assert.deepEqual(await seen.ended, { kind: 'cancelled' });
  assert.equal(peer.count('CANCEL'), 0);
});

test('a name that does not exist fails the call and the heartbeat', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  const trunk = trunkOf(peer, { host: 'no-such-host.invalid' });
  assert.equal((await place(agent, trunk).ended).kind, 'trunk-failed');
  assert.equal((await agent.options(trunk)).kind, 'dead');
});

test('OPTIONS: any final answer is a sign of life, silence is none, lost ones are repeated', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  peer.drop = 2;
  const asking = agent.options(trunkOf(peer));
  const options = await peer.request('OPTIONS');
  assert.equal(options.message.uri, 'sip:operator.example');
  options.send(reply(options.message, 404));
  assert.deepEqual(await asking, { kind: 'alive', status: 404 });
  const silent = agent.options(trunkOf(peer, { timerBMs: 100 }));
  assert.deepEqual(await silent, { kind: 'dead', reason: 'no response' });
});

test('Via and Contact name the public address, and answers still come by rport', async (t) => {
  const { agent, peer } = await stage(t, { publicAddress: '203.0.113.9' });
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  assert.match(identify(invite.message)?.via.host ?? '', /^203\.0\.113\.9$/);
  assert.ok(invite.message.headers.some(({ name, value }) => name === 'Contact' && value.includes('@203.0.113.9:')));
  invite.send(reply(invite.message, 486));
  assert.equal((await seen.ended).kind, 'refused');
});

test('a request without rport is answered at the port that its Via names', async (t) => {
  const { agent, peer } = await stage(t, { timers: QUICK_TIMERS });
  const other = await udpPeer();
  t.after(() => other.close());
  const seen = place(agent, trunkOf(peer));
  const invite = await peer.request('INVITE');
  const request = within(peer, invite.message, 'OPTIONS', { cseq: 1 });
  const headers = request.headers.map((header) => {
    if (header.name === 'Via') return { ...header, value: `SIP/2.0/UDP 127.0.0.1:${other.port};branch=z9hG4bKx` };
    return header.name === 'To' ? { ...header, value: '<sip:a@b>' } : header;
  });
  invite.send({ ...request, headers: headers.map((h) => (h.name === 'Call-ID' ? { ...h, value: 'x' } : h)) });
  await other.response(200, 'OPTIONS');
  invite.send(reply(invite.message, 486));
  await seen.ended;
});
