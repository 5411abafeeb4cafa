/**
 * Reads the WAV that a speech program or service answers: 16-bit PCM, one or two channels, any rate a `Resampler`
 * takes; sizes that a program writing to a pipe can't know are no fault. One that is cut off is: half a code is worse
 * than none.
 */
import { readWave, WAVE_TAG, type WaveFormat } from '../../base/wave-file.ts';
import { MAX_INPUT_HZ, MIN_INPUT_HZ } from './resample.ts';

const BITS = 16;
const SAMPLE_BYTES = 2;

export type SpeechWav = { ok: true; fromHz: number; samples: Int16Array } | { ok: false; reason: string };

export function parseSpeechWav(bytes: Buffer): SpeechWav {
  const wave = readWave(bytes);
  switch (wave.kind) {
    case 'not-wave':
      return { ok: false, reason: wave.reason };
    case 'cut-off':
      return { ok: false, reason: 'cut off' };
    case 'wave': {
      const fault = faultOf(wave.format);
      if (fault !== undefined) return { ok: false, reason: fault };
      return { ok: true, fromHz: wave.format.sampleRate, samples: readSamples(wave.data, wave.format.channels) };
    }
  }
}

function faultOf({ tag, channels, sampleRate, bitsPerSample }: WaveFormat): string | undefined {
  if (tag !== WAVE_TAG.pcm) return `format ${tag} is not PCM`;
  if (channels < 1 || channels > 2) return `${channels} channels`;
  if (sampleRate < MIN_INPUT_HZ || sampleRate > MAX_INPUT_HZ) return `${sampleRate} Hz`;
  return bitsPerSample === BITS ? undefined : `${bitsPerSample} bits`;
}

/** Mono; two channels become their mean. An odd last byte or half a frame is left out. */
function readSamples(data: Buffer, channels: number): Int16Array {
  const frameBytes = SAMPLE_BYTES * channels;
  const samples = new Int16Array(Math.floor(data.length / frameBytes));
  for (let frame = 0; frame < samples.length; frame++) {
    const at = frame * frameBytes;
    const first = data.readInt16LE(at);
    samples[frame] = channels === 1 ? first : Math.round((first + data.readInt16LE(at + SAMPLE_BYTES)) / 2);
  }
  return samples;
}
