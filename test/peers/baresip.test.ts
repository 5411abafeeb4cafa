/** A telephone that is not ours hears all that was sent, as loud as it was sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBaresip } from './baresip.ts';
import { assertHeardWhole } from './heard-whole.ts';
import { compare, testSpeech } from './listening.ts';
import { loopbackTrunk, soundingCall } from './sounding-call.ts';

for (const codec of ['PCMA', 'PCMU']) {
  test(`baresip with ${codec} records every sample of the speech, in its level`, async (t) => {
    const baresip = await startBaresip(t, codec);
    const samples = testSpeech(3);
    const called = await soundingCall(t, { trunk: loopbackTrunk(baresip.port), to: 'callee', samples });
    assert.deepEqual(called.end, { kind: 'hung-up', by: 'us' });
    assert.ok((called.stats?.packetsReceived ?? 0) > 100, 'its echo comes back and is counted');
    await assertHeardWhole(t, samples, await baresip.recording());
  });
}

test('a packet that is missing at either end or in the middle would be noticed', () => {
  const packet = 160;
  const sent = testSpeech(3);
  const whole = Int16Array.of(...new Int16Array(packet), ...sent, ...new Int16Array(packet));
  assert.ok(compare(sent, whole).correlation > 0.9999);
  assert.equal(compare(sent, whole).shift, packet);
  const without = (at: number): Int16Array =>
    Int16Array.of(...whole.subarray(0, packet + at), ...whole.subarray(packet + at + packet));
  assert.ok(compare(sent, without(0)).firstCorrelation < 0.9);
  assert.ok(compare(sent, without(sent.length / 2)).correlation < 0.9);
  const cutShort = compare(sent, without(sent.length - packet).subarray(0, -packet));
  assert.ok(cutShort.lastCorrelation < 0.97, `${cutShort.lastCorrelation}`);
  assert.ok(cutShort.after < 0);
});
