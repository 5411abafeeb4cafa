/**
 * Reads the WAV that a speech program or service answers: 16-bit PCM, one or two channels, any rate a `Resampler` takes.
 * Lenient where a program writing to a pipe can't know better (sizes of 0 or all ones), never reading past the end.
 */
import { MAX_INPUT_HZ, MIN_INPUT_HZ } from './resample.ts';

const RIFF_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
const FORMAT_BYTES = 16;
const EXTENSIBLE_BYTES = 40;
const SUB_FORMAT_AT = 24;
const FORMAT_PCM = 1;
const FORMAT_EXTENSIBLE = 0xfffe;
const BITS = 16;
const STREAMED_SIZE = 0xffff_ffff;
const MAX_CHUNKS = 64;

export type SpeechWav = { ok: true; fromHz: number; samples: Int16Array } | { ok: false; reason: string };

interface WavFormat {
  channels: number;
  fromHz: number;
}

export function parseSpeechWav(bytes: Buffer): SpeechWav {
  if (bytes.length < RIFF_HEADER_BYTES || bytes.toString('latin1', 0, 4) !== 'RIFF') return refuse('no RIFF header');
  if (bytes.toString('latin1', 8, 12) !== 'WAVE') return refuse('not a WAVE file');
  let format: WavFormat | undefined;
  let at = RIFF_HEADER_BYTES;
  for (let chunk = 0; chunk < MAX_CHUNKS && at + CHUNK_HEADER_BYTES <= bytes.length; chunk++) {
    const name = bytes.toString('latin1', at, at + 4);
    const declared = bytes.readUInt32LE(at + 4);
    const body = bytes.subarray(at + CHUNK_HEADER_BYTES);
    if (name === 'fmt ') {
      const read = readFormat(body.subarray(0, declared));
      if (typeof read === 'string') return refuse(read);
      format = read;
    } else if (name === 'data') {
      if (format === undefined) return refuse('data before its format');
      const streamed = declared === 0 || declared >= STREAMED_SIZE - RIFF_HEADER_BYTES - CHUNK_HEADER_BYTES * 8;
      return {
        ok: true,
        fromHz: format.fromHz,
        samples: readSamples(streamed ? body : body.subarray(0, declared), format),
      };
    }
    // RIFF: chunks are padded to even lengths.
    at += CHUNK_HEADER_BYTES + declared + (declared % 2);
  }
  return refuse('no data');
}

function refuse(reason: string): SpeechWav {
  return { ok: false, reason };
}

function readFormat(body: Buffer): WavFormat | string {
  if (body.length < FORMAT_BYTES) return 'format cut short';
  const tag = body.readUInt16LE(0);
  const isExtensiblePcm =
    tag === FORMAT_EXTENSIBLE && body.length >= EXTENSIBLE_BYTES && body.readUInt16LE(SUB_FORMAT_AT) === FORMAT_PCM;
  if (tag !== FORMAT_PCM && !isExtensiblePcm) return `format ${tag} is not PCM`;
  const channels = body.readUInt16LE(2);
  const fromHz = body.readUInt32LE(4);
  if (channels < 1 || channels > 2) return `${channels} channels`;
  if (fromHz < MIN_INPUT_HZ || fromHz > MAX_INPUT_HZ) return `${fromHz} Hz`;
  if (body.readUInt16LE(14) !== BITS) return `${body.readUInt16LE(14)} bits`;
  return { channels, fromHz };
}

/** Mono; two channels become their mean. An odd last byte or half a frame is left out. */
function readSamples(body: Buffer, { channels }: WavFormat): Int16Array {
  const frames = Math.floor(body.length / (2 * channels));
  const samples = new Int16Array(frames);
  for (let frame = 0; frame < frames; frame++) {
    const first = body.readInt16LE(frame * 2 * channels);
    samples[frame] = channels === 1 ? first : Math.round((first + body.readInt16LE(frame * 4 + 2)) / 2);
  }
  return samples;
}
