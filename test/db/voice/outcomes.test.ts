import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checkLedger } from '../../../src/store/ledger.ts';
import { SpeechFailure } from '../../../src/voice/speech/driver.ts';
import { eventually } from '../../harness/sms-node.ts';
import { startVoiceNode, toneSpeech, type VoiceNode } from '../../harness/voice-node.ts';

let node: VoiceNode;
const silentTrunkPort = 9;

before(async () => {
  node = await startVoiceNode();
});
after(() => node.stop());

async function events(of: VoiceNode, msgid: number): Promise<string[]> {
  const rows = await of.rows<{ kind: string; detail: string | null }>(
    'SELECT kind, detail FROM message_events WHERE msgid = $1 ORDER BY at, ctid',
    [msgid],
  );
  return rows.map((row) => `${row.kind} ${row.detail ?? ''}`);
}

async function noMismatches(of: VoiceNode): Promise<void> {
  assert.deepEqual((await checkLedger(of.database)).mismatches, []);
}

/** As if so much time had passed for the calls that wait for another try. */
async function makeDue(of: VoiceNode): Promise<void> {
  await of.rows("UPDATE call_queue SET due_at = now() - interval '1 second' WHERE NOT ready");
}

test('an answered call is charged by its seconds, the rest given back, and lives in its events', async () => {
  const before = await node.balance();
  const msgid = await node.sent('0900000100', { points: 10 });
  assert.equal(await node.balance(), before - 10);
  assert.deepEqual(await node.final(msgid), {
    kind: 'final',
    phone: '886900000100',
    seconds: 1,
    points: 2,
    state: 'FarEnd',
  });
  assert.equal(await node.balance(), before - 2);
  const lines = await eventually('the answer to BYE', async () => {
    const found = await events(node, msgid);
    return found.some((line) => /sip-received 200 OK \(2 BYE\)/.test(line)) ? found : undefined;
  });
  assert.ok(lines.some((line) => line.startsWith('sip-sent INVITE sip:0900000100@')));
  assert.ok(lines.some((line) => /^rtp \d+ packets sent, \d+ received/.test(line)));
  await noMismatches(node);
});

test('a call that costs more than was reserved is charged what was reserved', async () => {
  const before = await node.balance();
  const msgid = await node.sent('0900000100', { unitPoints: 5, unitSeconds: 1, points: 3 });
  assert.equal((await node.final(msgid)).points, 3);
  assert.equal(await node.balance(), before - 3);
  await noMismatches(node);
});

test('points run out in the batch: what the balance covers is accepted, the rest is refused', async () => {
  const poor = await startVoiceNode({ points: 5 }, false);
  const outcomes = await Promise.all(['0900000100', '0900000100', '0900000100'].map((phone) => poor.accept(phone)));
  assert.deepEqual(outcomes.map((outcome) => outcome.kind).sort(), ['accepted', 'accepted', 'insufficient-points']);
  assert.equal(await poor.balance(), 1);
  assert.equal((await poor.accept('0900000100', { accountVersion: 99, points: 1 })).kind, 'account-changed');
  await noMismatches(poor);
  await poor.stop();
});

test('when a trunk does not answer or is down the next one is used, and the call is charged once', async () => {
  const failing = await startVoiceNode({
    trunks: { first: { port: silentTrunkPort, priority: 1 }, second: { priority: 2 } },
  });
  const before = await failing.balance();
  const msgid = await failing.sent('0900000100');
  assert.equal((await failing.final(msgid)).state, 'FarEnd');
  assert.equal(await failing.balance(), before - 2);
  assert.ok((await events(failing, msgid)).some((line) => line.startsWith('trunk-failed')));
  // The first one has gone to the end of the line.
  const later = await failing.sent('0900000100');
  assert.equal((await failing.final(later)).state, 'FarEnd');
  assert.ok(!(await events(failing, later)).some((line) => line.startsWith('trunk-failed')));
  await failing.stop();
});

test('a trunk that answers 503 is tried again later, a bounded number of times, and never billed', async () => {
  const before = await node.balance();
  const msgid = await node.sent('0900000107');
  for (let round = 1; round <= 3; round += 1) {
    await eventually(`round ${round}`, async () => {
      const [row] = await node.rows<{ attempts: number }>(
        'SELECT attempts FROM call_queue WHERE msgid = $1 AND NOT ready AND claimed_by IS NULL',
        [msgid],
      );
      return row?.attempts === round ? true : undefined;
    });
    await makeDue(node);
  }
  const end = await node.final(msgid);
  assert.deepEqual([end.state, end.seconds, end.points], ['NoAnswer', 0, 0]);
  assert.equal(await node.balance(), before);
  assert.equal(node.telephone.calls.of('0900000107').length, 4);
  const [row] = await node.rows<{ reason: string }>('SELECT reason FROM calls WHERE msgid = $1', [msgid]);
  assert.match(row?.reason ?? '', /503/);
});

test('a number that no trunk carries ends as NoAnswer after the same rounds', async () => {
  const narrow = await startVoiceNode({ trunks: { mobiles: { prefixes: ['8869'] } } });
  const msgid = await narrow.sent('0223456789');
  for (let round = 1; round <= 3; round += 1) {
    await eventually('a round', async () => {
      const rows = await narrow.rows('SELECT FROM call_queue WHERE attempts = $1 AND NOT ready', [round]);
      return rows.length === 1 ? true : undefined;
    });
    await makeDue(narrow);
  }
  assert.equal((await narrow.final(msgid)).state, 'NoAnswer');
  await narrow.stop();
});

test('a speech engine that fails costs a retry; one that keeps failing ends the call without cost', async () => {
  let failures = 1;
  const tone = toneSpeech(100);
  const flaky = await startVoiceNode({
    speech: {
      synthesize: (request) => {
        if (request.text === 'never' || failures-- > 0) return Promise.reject(new SpeechFailure('crashed', 'it died'));
        return tone.synthesize(request);
      },
      stop: async () => {},
    },
  });
  const before = await flaky.balance();
  const retried = await flaky.sent('0900000100');
  await eventually('the retry', async () => {
    const rows = await flaky.rows('SELECT FROM call_queue WHERE speech_failures = 1 AND NOT ready');
    return rows.length === 1 ? true : undefined;
  });
  await makeDue(flaky);
  assert.equal((await flaky.final(retried)).state, 'FarEnd');
  const never = await flaky.sent('0900000100', { body: 'never' });
  for (let round = 1; round <= 3; round += 1) {
    await eventually('a retry', async () => {
      const rows = await flaky.rows('SELECT FROM call_queue WHERE speech_failures = $1 AND NOT ready', [round]);
      return rows.length === 1 ? true : undefined;
    });
    await makeDue(flaky);
  }
  assert.equal((await flaky.final(never)).state, 'NoAnswer');
  assert.equal(await flaky.balance(), before - 2);
  assert.equal(flaky.telephone.calls.of('0900000100').length, 1);
  await flaky.stop();
});

test('nobody answers within the ringing time: NoAnswer, and the telephone sees a CANCEL', async () => {
  const msgid = await node.sent('0900000102');
  assert.equal((await node.final(msgid)).state, 'NoAnswer');
  const [call] = node.telephone.calls.of('0900000102');
  assert.equal(call?.endedBy, 'caller');
});
