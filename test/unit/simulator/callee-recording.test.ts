import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeG711, PCMU } from '../../../src/sip/g711.ts';
import { CallRecording, CHUNK_BYTES, MAX_RECORDING_SAMPLES } from '../../../src/simulator/calls-recording.ts';

const SILENCE = 0xff;
const plenty = (): boolean => true;
const recordingOf = (reserve = plenty) => new CallRecording({ payloadType: PCMU, reserve });
/** Bytes that are never silence. */
const sound = (length: number, first = 0): Buffer =>
  Buffer.from(Array.from({ length }, (_, index) => (first + index) % 100));
const linear = (...parts: Uint8Array[]): Int16Array => decodeG711(PCMU, Buffer.concat(parts));
const gap = (length: number): Buffer => Buffer.alloc(length, SILENCE);

test('packets lie where their timestamps say, in whatever order they come, across the wrap of the timestamp', () => {
  const shuffled = fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], { minLength: 2 });
  fc.assert(
    fc.property(shuffled, fc.integer({ min: 0, max: 0xffff_ffff }), (order, start) => {
      const recording = recordingOf();
      for (const index of order) {
        const timestamp = (start + index * 160) >>> 0;
        recording.put({ ssrc: 1, timestamp, payload: sound(160, index) });
      }
      const first = Math.min(...order);
      const last = Math.max(...order);
      const parts = [];
      for (let index = first; index <= last; index += 1)
        parts.push(order.includes(index) ? sound(160, index) : gap(160));
      assert.deepEqual(recording.decode(), linear(...parts));
    }),
  );
});

test('a gap of seconds is silence and takes no memory', () => {
  const recording = recordingOf();
  recording.put({ ssrc: 1, timestamp: 1_000, payload: sound(160) });
  recording.put({ ssrc: 1, timestamp: 1_000 + 80_000, payload: sound(160) });
  assert.deepEqual(recording.decode(), linear(sound(160), gap(79_840), sound(160)));
  assert.equal(recording.bytes, 2 * CHUNK_BYTES);
});

test('another stream, or a jump of the timestamp, goes on where the one before ended', () => {
  const recording = recordingOf();
  recording.put({ ssrc: 1, timestamp: 5_000, payload: sound(160) });
  recording.put({ ssrc: 2, timestamp: 4_000_000_000, payload: sound(160, 7) });
  recording.put({ ssrc: 2, timestamp: 9, payload: sound(160, 9) });
  assert.deepEqual(recording.decode(), linear(sound(160), sound(160, 7), sound(160, 9)));
});

test('nothing is kept beyond ten minutes', () => {
  const recording = recordingOf();
  for (let timestamp = 0; timestamp <= MAX_RECORDING_SAMPLES + 8_000; timestamp += 8_000) {
    recording.put({ ssrc: 1, timestamp, payload: sound(160) });
  }
  assert.equal(recording.samples, MAX_RECORDING_SAMPLES - 8_000 + 160);
  recording.put({ ssrc: 1, timestamp: MAX_RECORDING_SAMPLES - 100, payload: sound(160) });
  assert.equal(recording.samples, MAX_RECORDING_SAMPLES);
});

test('where memory is refused the recording ends', () => {
  let left = 1;
  const recording = recordingOf(() => left-- > 0);
  recording.put({ ssrc: 1, timestamp: 0, payload: sound(160) });
  recording.put({ ssrc: 1, timestamp: 16_000, payload: sound(160) });
  assert.deepEqual(recording.decode(), linear(sound(160)));
});
