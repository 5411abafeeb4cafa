import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropUnusedRecordings, readRecording, storeRecording } from '../../../src/store/call-recordings.ts';
import { claimCalls } from '../../../src/store/call-queue.ts';
import { createAccount } from '../../../src/store/account-admin.ts';
import { eventually } from '../../harness/sms-node.ts';
import { startVoiceNode, toneSpeech, type VoiceNode } from '../../harness/voice-node.ts';

async function epochOf(node: VoiceNode): Promise<number> {
  const [row] = await node.rows<{ epoch: number }>(
    "INSERT INTO nodes (name, started_at, deadline) VALUES ('n', now(), now() + interval '1 minute') RETURNING epoch",
  );
  return row?.epoch ?? 0;
}

const everything = { allowances: new Map<number, number>(), otherwise: 1_000, callsPerAccount: 1_000 };

test('an account that comes after the flood of another is served after a few, by the shares', async () => {
  const node = await startVoiceNode({}, false);
  const other = await createAccount(node.database, {
    username: 'other',
    passwordHash: 'none',
    points: 100,
    settings: {},
  });
  assert.ok(other.kind === 'created');
  const flood = await Promise.all(Array.from({ length: 40 }, () => node.sent('0900000100')));
  const epoch = await epochOf(node);
  const first = await claimCalls(node.database, { epoch, limit: 10, ...everything });
  assert.deepEqual(
    first.map((call) => call.msgid),
    flood.toSorted((a, b) => a - b).slice(0, 10),
  );
  const late = await node.sent('0900000100', {
    accountId: other.account.accountId,
    accountVersion: other.account.version,
  });
  const second = await claimCalls(node.database, { epoch, limit: 2, ...everything });
  assert.ok(second.some((call) => call.msgid === late));
  await node.stop();
});

test('a claim takes no more of an account than it may have at once, nor than its allowance', async () => {
  const node = await startVoiceNode({}, false);
  await Promise.all(Array.from({ length: 10 }, () => node.sent('0900000100')));
  const epoch = await epochOf(node);
  const claim = (more: Partial<Parameters<typeof claimCalls>[1]>) =>
    claimCalls(node.database, { epoch, limit: 100, ...everything, ...more });
  assert.equal((await claim({ allowances: new Map([[node.accountId, 0]]) })).length, 0);
  assert.equal((await claim({ allowances: new Map([[node.accountId, 2]]) })).length, 2);
  assert.equal((await claim({ callsPerAccount: 5 })).length, 3);
  assert.equal((await claim({ callsPerAccount: 5 })).length, 0);
  assert.equal((await claim({ epoch: epoch + 1 })).length, 0);
  await node.stop();
});

test('a trunk carries no more calls at once than it may, and the rest follow', async () => {
  const node = await startVoiceNode({ speech: toneSpeech(300), trunks: { narrow: { maxCalls: 2 } } });
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, node.telephone.ongoing);
  }, 5);
  const sent = await Promise.all(Array.from({ length: 6 }, () => node.sent('0900000100')));
  const ends = await Promise.all(sent.map((msgid) => node.final(msgid)));
  clearInterval(watch);
  assert.ok(ends.every((end) => end.state === 'FarEnd'));
  assert.equal(most, 2);
  await node.stop();
});

test('a trunk takes as many new calls a second as it may, and no more', async () => {
  const node = await startVoiceNode({ trunks: { slow: { callsPerSecond: 20 } } });
  const startedMs = performance.now();
  const sent = await Promise.all(Array.from({ length: 42 }, () => node.sent('0900000101')));
  await Promise.all(sent.map((msgid) => node.final(msgid)));
  const tookMs = performance.now() - startedMs;
  // Two are free at once, forty more come 50 ms apart.
  assert.ok(tookMs > 1_900, String(tookMs));
  assert.ok(tookMs < 5_000, String(tookMs));
  await node.stop();
});

test('a recording is kept once, plays, and is dropped when no call wants it any more', async () => {
  const node = await startVoiceNode({}, false);
  const nowMs = Date.parse('2026-11-22T00:00:00Z');
  const wanted = await storeRecording(node.database, Buffer.from('one'), nowMs);
  assert.equal(await storeRecording(node.database, Buffer.from('one'), nowMs + 1), wanted);
  const unwanted = await storeRecording(node.database, Buffer.from('two'), nowMs);
  await node.sent('0900000100', { type: 2, recordingId: wanted });
  const dayLaterMs = nowMs + 25 * 3_600_000;
  assert.equal(await dropUnusedRecordings(node.database, nowMs + 1_000), 0);
  assert.equal(await dropUnusedRecordings(node.database, dayLaterMs), 1);
  assert.equal(await readRecording(node.database, unwanted), undefined);
  assert.equal((await readRecording(node.database, wanted))?.toString(), 'one');
  await node.start();
  // What is stored there is no WAVE file.
  await eventually('its end', async () => {
    const [row] = await node.rows<{ reason: string | null }>('SELECT reason FROM calls');
    return row?.reason === 'the recording cannot be read' ? true : undefined;
  });
  await node.stop();
});

test('two nodes share the queue, and every call is dialled once', async () => {
  const node = await startVoiceNode({}, false);
  const sent = await Promise.all(Array.from({ length: 60 }, () => node.sent('0900000100')));
  const stopPeer = await node.startPeer();
  await node.start();
  const ends = await Promise.all(sent.map((msgid) => node.final(msgid)));
  assert.ok(ends.every((end) => end.state === 'FarEnd'));
  assert.equal(node.telephone.calls.of('0900000100').length, 60);
  await stopPeer();
  await node.stop();
});

test('requests with the same recording do not wait for each other', async () => {
  const node = await startVoiceNode({}, false);
  const file = Buffer.from('a file');
  const id = await storeRecording(node.database, file, node.clock.now());
  await node.database.transaction(async (tx) => {
    await tx.query({ name: 'lock-recordings', text: 'SELECT FROM call_recordings FOR UPDATE' }, []);
    assert.equal(await storeRecording(node.database, file, node.clock.now()), id);
  });
  const used = 'SELECT used_at::text AS at FROM call_recordings';
  const [before] = await node.rows<{ at: string }>(used);
  await storeRecording(node.database, file, node.clock.now() + 2 * 3_600_000);
  const [later] = await node.rows<{ at: string }>(used);
  assert.notEqual(later?.at, before?.at, 'the last use is still noted, an hour later');
  await node.stop();
});
