import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CallLimits, CallStore, type SimulatedCall } from '../../../src/simulator/calls.ts';
import { CHUNK_BYTES } from '../../../src/simulator/calls-recording.ts';

function storeWith(limits: Partial<CallLimits> = {}) {
  let nextId = 0;
  const store = new CallStore({ newId: () => String(++nextId), limits });
  const ring = (number: string): SimulatedCall => store.begin({ callId: 'c', number, from: '02', atMs: 1_000 });
  const hear = (call: SimulatedCall, seconds: number): void => {
    const recording = call.recording ?? store.answer(call, { atMs: 2_000, codec: 'PCMA' });
    const at = recording.samples;
    for (let second = 0; second < seconds; second += 1) {
      recording.put({ ssrc: 1, timestamp: at + second * 8_000, payload: Buffer.alloc(8_000, 1) });
    }
  };
  const end = (call: SimulatedCall): void => store.end(call, { atMs: 3_000, by: 'caller' });
  return { store, ring, hear, end };
}
const ids = (calls: readonly SimulatedCall[]): string[] => calls.map(({ id }) => id);

test('a number keeps its latest calls', () => {
  const { store, ring, end } = storeWith({ callsPerNumber: 3 });
  for (let count = 0; count < 5; count += 1) end(ring('0911'));
  end(ring('0922'));
  assert.deepEqual(ids(store.of('0911')), ['3', '4', '5']);
  assert.deepEqual(ids(store.of('0922')), ['6']);
  assert.deepEqual(store.numbers(), [
    { number: '0911', calls: 3 },
    { number: '0922', calls: 1 },
  ]);
});

test('a call that goes on is kept however old it is', () => {
  const { store, ring, end } = storeWith({ callsPerNumber: 2, calls: 10 });
  const ongoing = ring('0911');
  for (let count = 0; count < 5; count += 1) end(ring('0911'));
  for (let count = 0; count < 50; count += 1) end(ring(`09${count}`));
  assert.equal(store.find('0911', ongoing.id), ongoing);
  assert.ok(store.numbers().length <= 11);
});

test('the oldest recordings of calls that ended make room, their calls stay', () => {
  const { store, ring, hear, end } = storeWith({ recordingBytes: 10 * CHUNK_BYTES });
  const ongoing = ring('0911');
  hear(ongoing, 3);
  const [first, second] = [ring('0911'), ring('0911')];
  for (const call of [first, second]) {
    hear(call, 3);
    end(call);
  }
  hear(ongoing, 3);
  assert.equal(first.recording, undefined);
  assert.ok(second.recording);
  assert.equal(ongoing.recording?.samples, 6 * 8_000);
  assert.equal(store.recordingBytes, 9 * CHUNK_BYTES);
  hear(ongoing, 20);
  assert.equal(store.recordingBytes, 10 * CHUNK_BYTES);
  assert.equal(ongoing.recording?.samples, 10 * 8_000, 'then there is no room any more');
  assert.equal(store.of('0911').length, 3);
});

test('clearing gives the memory back, also of calls that go on', () => {
  const { store, ring, hear, end } = storeWith({ recordingBytes: 10 * CHUNK_BYTES });
  const [ended, ongoing] = [ring('0911'), ring('0911')];
  hear(ended, 3);
  end(ended);
  hear(ongoing, 3);
  store.clear('0911');
  assert.deepEqual([store.recordingBytes, store.of('0911').length], [0, 0]);
  end(ongoing);
  const next = ring('0911');
  hear(next, 12);
  end(next);
  assert.equal(store.recordingBytes, 10 * CHUNK_BYTES);
  store.clear('0911');
  assert.equal(store.recordingBytes, 0);
});

test('who waits is woken by the end of a call to the number, not by its beginning', async () => {
  const { store, ring, end } = storeWith();
  const waiting = store.waitForNext('0911', 60_000);
  end(ring('0922'));
  const call = ring('0911');
  assert.equal(store.waiting, 1);
  end(call);
  assert.equal(await waiting, call);
  assert.equal(store.waiting, 0);
  const left = store.waitForNext('0911', 60_000);
  store.stop();
  assert.equal(await left, undefined);
  assert.equal(await store.waitForNext('0911', 1), undefined);
});

test('a call ends once', () => {
  const { store, ring } = storeWith();
  const call = ring('0911');
  store.end(call, { atMs: 5_000, by: 'phone', status: 486 });
  store.end(call, { atMs: 6_000, by: 'caller', status: 487 });
  assert.deepEqual([call.endedAtMs, call.endedBy, call.status], [5_000, 'phone', 486]);
});
