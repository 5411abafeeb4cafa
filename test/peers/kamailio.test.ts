/** A trunk that is a real proxy: it asks for the password, stays in the path, and the speech arrives whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { place, startAgent } from '../wire/sip/watched-call.ts';
import { startBaresip } from './baresip.ts';
import { assertHeardWhole } from './heard-whole.ts';
import { startKamailio } from './kamailio.ts';
import { testSpeech } from './listening.ts';
import { freePort } from './peer-process.ts';
import { startSipp } from './sipp.ts';
import { soundingCall } from './sounding-call.ts';

const WAYS = [
  { transport: 'udp', algorithm: 'MD5' },
  { transport: 'udp', algorithm: 'SHA-256' },
  { transport: 'tcp', algorithm: 'MD5' },
  { transport: 'tls', algorithm: 'SHA-256' },
] as const;

for (const { transport, algorithm } of WAYS) {
  test(`a call through Kamailio over ${transport} with 407 (${algorithm}) and Record-Route is heard whole`, async (t) => {
    const baresip = await startBaresip(t);
    const kamailio = await startKamailio(t, { calleePort: baresip.port, algorithm });
    const samples = testSpeech(2);
    const called = await soundingCall(t, { trunk: kamailio.trunk(transport), to: 'callee', samples });
    const story = `${called.lines.join('\n')}\n${kamailio.process.output()}`;
    assert.deepEqual(called.end, { kind: 'hung-up', by: 'us' }, story);
    assert.equal(called.lines.filter((line) => line.startsWith('received 407 ')).length, 1, story);
    assert.ok(
      called.lines.some((line) => /^received 200 .*BYE\)$/.test(line)),
      story,
    );
    assert.match(story, new RegExp(`authorized with Digest .*algorithm=${algorithm}`));
    for (const method of ['ACK', 'BYE']) assert.match(story, new RegExp(`relayed ${method} from ${transport}:`));
    await assertHeardWhole(t, samples, await baresip.recording());
  });
}

for (const transport of ['udp', 'tcp', 'tls'] as const) {
  test(`through Kamailio over ${transport}: OPTIONS, a callee that hangs up, one that is busy, one that only rings`, async (t) => {
    const agent = await startAgent(t);
    const hangsUp = await startSipp(t, { scenario: 'remote-bye' });
    const first = await startKamailio(t, { calleePort: hangsUp.port });
    assert.deepEqual(await agent.options(first.trunk(transport)), { kind: 'alive', status: 200 });
    const answered = place(agent, first.trunk(transport));
    assert.deepEqual(await answered.ended, { kind: 'hung-up', by: 'them' }, first.process.output());
    await hangsUp.succeeded();

    const busy = await startSipp(t, { scenario: 'busy' });
    const second = await startKamailio(t, { calleePort: busy.port });
    const refused = await place(agent, second.trunk(transport)).ended;
    assert.deepEqual(refused, { kind: 'refused', status: 486, reason: 'Busy Here' }, second.process.output());
    await busy.succeeded();

    const rings = await startSipp(t, { scenario: 'no-answer' });
    const third = await startKamailio(t, { calleePort: rings.port });
    const ringing = place(agent, third.trunk(transport), { ringTimeoutMs: 500 });
    assert.deepEqual(await ringing.ended, { kind: 'no-answer' }, third.process.output());
    await rings.succeeded();
    assert.ok(ringing.lines.includes('received 487 Request Terminated (2 INVITE)'), ringing.lines.join('\n'));
  });
}

test('a callee behind Kamailio asks for a password of its own: 407, then 401', async (t) => {
  const sipp = await startSipp(t, { scenario: 'authentication-qop' });
  const kamailio = await startKamailio(t, { calleePort: sipp.port });
  const agent = await startAgent(t);
  const seen = place(agent, kamailio.trunk('udp'));
  await seen.answered;
  seen.call.hangUp();
  await sipp.succeeded();
  for (const status of [407, 401]) assert.ok(seen.lines.some((line) => line.startsWith(`received ${status} `)));
});

test('Kamailio refuses a wrong password, and the call fails as the trunk', async (t) => {
  const kamailio = await startKamailio(t, { calleePort: await freePort() });
  const agent = await startAgent(t);
  const seen = place(agent, kamailio.trunk('udp', 'wrong'));
  assert.deepEqual(await seen.ended, { kind: 'trunk-failed', reason: 'credentials rejected', status: 407 });
});
