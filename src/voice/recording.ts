/**
 * What a `voice_url` may hold (spec/README point 33): a WAVE file of 8,000 Hz, 8 bit, mono, as PCM or G.711, of at most
 * 10 minutes and 6 MB. Answers the contract's code for anything else, and never throws.
 */
import { readWave, WAVE_TAG, type WaveFormat } from '../base/wave-file.ts';
import { decodeG711, PCMA, PCMU } from '../sip/g711.ts';

/** Of the whole file; a download may stop here and hand in nothing. */
export const MAX_RECORDING_BYTES = 6 * 1024 * 1024;
const SAMPLE_RATE_HZ = 8_000;
const MAX_RECORDING_SAMPLES = 10 * 60 * SAMPLE_RATE_HZ;
/** 8-bit PCM in WAVE files is unsigned. */
const PCM_ZERO = 128;

/**
 * The contract's errors: -10 not a WAVE file; -11 not 8,000 Hz, 8 bit, mono, or another coding; -12 "upload it again":
 * the file is cut off, empty of samples, too large or too long.
 */
type Refused = { ok: false; code: -10 | -11 | -12 };
export type Recording = { ok: true; samples: Int16Array } | Refused;
/** One octet a sample. */
export type JudgedRecording = { ok: true; tag: number; data: Buffer } | Refused;

/** Samples are 8,000 Hz mono, and a copy. */
export function parseRecording(bytes: Buffer): Recording {
  const judged = judgeRecording(bytes);
  return judged.ok ? { ok: true, samples: decode(judged.tag, judged.data) } : judged;
}

/**
 * What a request has to know; decoding ten minutes of sound would keep others waiting. The format is judged before the
 * length.
 */
export function judgeRecording(bytes: Buffer): JudgedRecording {
  const wave = readWave(bytes);
  if (wave.kind === 'not-wave') return { ok: false, code: -10 };
  if (wave.format !== undefined && !isWelcome(wave.format)) return { ok: false, code: -11 };
  if (wave.kind === 'cut-off' || bytes.length > MAX_RECORDING_BYTES) return { ok: false, code: -12 };
  const { data, format } = wave;
  if (data.length === 0 || data.length > MAX_RECORDING_SAMPLES) return { ok: false, code: -12 };
  return { ok: true, tag: format.tag, data };
}

function isWelcome(format: WaveFormat): boolean {
  const { tag, channels, sampleRate, blockAlign, bitsPerSample } = format;
  const known = tag === WAVE_TAG.pcm || tag === WAVE_TAG.aLaw || tag === WAVE_TAG.muLaw;
  return known && channels === 1 && sampleRate === SAMPLE_RATE_HZ && bitsPerSample === 8 && blockAlign === 1;
}

function decode(tag: number, data: Buffer): Int16Array {
  if (tag === WAVE_TAG.aLaw) return decodeG711(PCMA, data);
  if (tag === WAVE_TAG.muLaw) return decodeG711(PCMU, data);
  const samples = new Int16Array(data.length);
  for (let index = 0; index < data.length; index += 1) samples[index] = ((data[index] ?? PCM_ZERO) - PCM_ZERO) << 8;
  return samples;
}
