/** Callees that are not ours, each with its own way of ending a call; sipp judges our side of it by its exit code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SipTimers } from '../../src/sip/timers.ts';
import { place, startAgent } from '../wire/sip/watched-call.ts';
import { startSipp } from './sipp.ts';
import { loopbackTrunk } from './sounding-call.ts';

const ACCOUNT = { username: 'feige', password: 's3cret' };
/** Quicker than the standard's, with enough repetitions in 64·T1 for such a line. */
const LOSSY_TIMERS: SipTimers = { t1Ms: 200, t2Ms: 1_600, t4Ms: 2_000 };
const LOSSY_TIMER_B_MS = 12_800;
const LOSSY_CALLS = 40;
const LOST_PERCENT = 10;

for (const transport of ['udp', 'tcp'] as const) {
  test(`sipp answers over ${transport} and our BYE ends the call`, async (t) => {
    const sipp = await startSipp(t, { scenario: 'our-bye', transport });
    const agent = await startAgent(t);
    const seen = place(agent, loopbackTrunk(sipp.port, { transport }));
    const media = await seen.answered;
    assert.deepEqual([media.address, media.payloadType, media.dtmfPayloadType], ['127.0.0.1', 8, 101]);
    assert.deepEqual(seen.progress, [180]);
    seen.call.hangUp();
    await sipp.succeeded();
    assert.deepEqual(seen.ends, [{ kind: 'hung-up', by: 'us' }]);
  });

  test(`sipp answers over ${transport} and hangs up`, async (t) => {
    const sipp = await startSipp(t, { scenario: 'remote-bye', transport });
    const agent = await startAgent(t);
    const seen = place(agent, loopbackTrunk(sipp.port, { transport }));
    assert.deepEqual(await seen.ended, { kind: 'hung-up', by: 'them' });
    assert.equal(seen.answers.length, 1);
    await sipp.succeeded();
  });
}

test('a busy callee is a refusal with its status', async (t) => {
  const sipp = await startSipp(t, { scenario: 'busy' });
  const agent = await startAgent(t);
  const seen = place(agent, loopbackTrunk(sipp.port));
  assert.deepEqual(await seen.ended, { kind: 'refused', status: 486, reason: 'Busy Here' });
  await sipp.succeeded();
});

test('a telephone that only rings is cancelled, and its 487 acknowledged', async (t) => {
  const sipp = await startSipp(t, { scenario: 'no-answer' });
  const agent = await startAgent(t);
  const seen = place(agent, loopbackTrunk(sipp.port), { ringTimeoutMs: 700 });
  assert.deepEqual(await seen.ended, { kind: 'no-answer' });
  await sipp.succeeded();
  assert.ok(seen.lines.includes('received 487 Request Terminated (1 INVITE)'), seen.lines.join('\n'));
});

for (const transport of ['udp', 'tcp'] as const) {
  test(`an answer that crosses our CANCEL over ${transport} is acknowledged and hung up, and was no answer`, async (t) => {
    const sipp = await startSipp(t, { scenario: 'answer-crosses-cancel', transport });
    const agent = await startAgent(t);
    const seen = place(agent, loopbackTrunk(sipp.port, { transport }), { ringTimeoutMs: 300 });
    assert.deepEqual(await seen.ended, { kind: 'no-answer' });
    await sipp.succeeded();
    assert.deepEqual(seen.answers, []);
    assert.deepEqual(
      seen.lines.filter((line) => /^sent (CANCEL|ACK|BYE)/.test(line)).map((line) => line.split(' ')[1]),
      ['CANCEL', 'ACK', 'BYE'],
    );
  });
}

for (const scenario of ['authentication', 'authentication-qop']) {
  test(`sipp's ${scenario} takes our digest for INVITE and BYE`, async (t) => {
    const sipp = await startSipp(t, { scenario });
    const agent = await startAgent(t);
    const seen = place(agent, loopbackTrunk(sipp.port, ACCOUNT));
    await seen.answered;
    seen.call.hangUp();
    await sipp.succeeded();
    assert.ok(seen.lines.includes('received 200 OK (3 BYE)'), seen.lines.join('\n'));
  });
}

test('sipp refuses a wrong password', async (t) => {
  const sipp = await startSipp(t, { scenario: 'authentication-qop' });
  const agent = await startAgent(t);
  const seen = place(agent, loopbackTrunk(sipp.port, { ...ACCOUNT, password: 'wrong' }));
  assert.deepEqual(await seen.ended, { kind: 'refused', status: 403, reason: 'Forbidden' });
  await sipp.succeeded();
});

test('re-INVITEs that cross an open offer are answered 491, a later one is taken', async (t) => {
  const sipp = await startSipp(t, { scenario: 'glare' });
  const agent = await startAgent(t);
  const seen = place(agent, loopbackTrunk(sipp.port));
  assert.deepEqual(await seen.ended, { kind: 'hung-up', by: 'them' });
  await sipp.succeeded();
  assert.equal(seen.lines.filter((line) => line.startsWith('sent 491 ')).length, 2);
  assert.equal(seen.answers.length, 1);
});

test('ACK and BYE take the way that Record-Route tells', async (t) => {
  const sipp = await startSipp(t, { scenario: 'record-route' });
  const agent = await startAgent(t);
  const seen = place(agent, loopbackTrunk(sipp.port));
  await seen.answered;
  seen.call.hangUp();
  await sipp.succeeded();
});

const LOSSY_WAYS = [
  { scenario: 'lossy-our-bye', by: 'us' },
  { scenario: 'lossy-remote-bye', by: 'them' },
] as const;

for (const { scenario, by } of LOSSY_WAYS) {
  test(`${LOSSY_CALLS} calls on a line that loses ${LOST_PERCENT} % of all messages are answered, and ended by ${by}`, async (t) => {
    const sipp = await startSipp(t, { scenario, calls: LOSSY_CALLS, lostPercent: LOST_PERCENT });
    const agent = await startAgent(t, { timers: LOSSY_TIMERS });
    const trunk = loopbackTrunk(sipp.port, { timerBMs: LOSSY_TIMER_B_MS });
    const calls = Array.from({ length: LOSSY_CALLS }, () => place(agent, trunk));
    if (by === 'us') for (const { answered, call } of calls) void answered.then(() => call.hangUp());
    for (const { ended } of calls) assert.deepEqual(await ended, { kind: 'hung-up', by });
    await sipp.succeeded();
    const told = calls.flatMap(({ lines }) => lines);
    const counts = ['sent INVITE', 'sent ACK', by === 'us' ? 'sent BYE' : 'received BYE'].map((start) => ({
      start,
      count: told.filter((line) => line.startsWith(start)).length,
    }));
    t.diagnostic(`${LOSSY_CALLS} calls: ${counts.map(({ start, count }) => `${count} ${start}`).join(', ')}`);
    // Each came once a call at the least; whatever came more often made good for something that was lost.
    const again = counts.reduce((sum, { count }) => sum + count - LOSSY_CALLS, 0);
    assert.ok(again > 0, 'nothing was lost');
  });
}
