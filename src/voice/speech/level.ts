/**
 * From an engine's samples to the telephone's: 8,000 Hz, the driver's gain, a limiter that bends peaks instead of
 * cutting them, and last the volume, so that a lower one is never distorted.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Resampler } from './resample.ts';

const FULL_SCALE = 32_767;
/** Below 80 % of full scale nothing is changed; above, `tanh` bends towards full scale. */
const KNEE = 0.8 * FULL_SCALE;
const ROOM = FULL_SCALE - KNEE;
/** Half a second of output between two looks at the event loop: about 1 ms of work. */
const SLICE_SAMPLES = 4000;
const MAX_VOLUME = 100;

export interface Levelling {
  fromHz: number;
  /** Factor before the limiter; 1 leaves the engine's level. */
  gain: number;
  /** 0 to 100. */
  volume: number;
}

/** In one go, for a process that has nothing else to do. */
export function toTelephone(samples: Int16Array, { fromHz, gain, volume }: Levelling): Int16Array {
  const resampler = new Resampler(fromHz);
  const output = new Int16Array(resampler.outputLength(samples.length));
  writeLevelled(output, 0, resampler.convert(samples, 0, output.length), gain, volume);
  return output;
}

/** In slices, for a process that must answer others meanwhile. */
export async function toTelephoneInSlices(
  samples: Int16Array,
  { fromHz, gain, volume }: Levelling,
): Promise<Int16Array> {
  const resampler = new Resampler(fromHz);
  const output = new Int16Array(resampler.outputLength(samples.length));
  for (let from = 0; from < output.length; from += SLICE_SAMPLES) {
    const count = Math.min(SLICE_SAMPLES, output.length - from);
    writeLevelled(output, from, resampler.convert(samples, from, count), gain, volume);
    await nextTurn();
  }
  return output;
}

function writeLevelled(output: Int16Array, at: number, levels: Float32Array, gain: number, volume: number): void {
  const share = volume / MAX_VOLUME;
  for (let index = 0; index < levels.length; index++) {
    output[at + index] = Math.round(limited((levels[index] ?? 0) * gain) * share);
  }
}

function limited(level: number): number {
  const size = Math.abs(level);
  if (size <= KNEE) return level;
  return Math.sign(level) * (KNEE + ROOM * Math.tanh((size - KNEE) / ROOM));
}
