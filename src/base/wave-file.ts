/**
 * RIFF/WAVE files, chunk by chunk: what format they are in and where their samples lie, whatever else is in them.
 * Which formats and lengths are welcome is the reader's business. Never throws, copies nothing.
 */

/** Values of wFormatTag. */
export const WAVE_TAG = { pcm: 0x0001, aLaw: 0x0006, muLaw: 0x0007, extensible: 0xfffe } as const;

export interface WaveFormat {
  /** Of WAVE_FORMAT_EXTENSIBLE the one its SubFormat stands for, or `extensible` when it stands for none. */
  tag: number;
  channels: number;
  /** Hz. */
  sampleRate: number;
  /** Bytes of one sample of all channels. */
  blockAlign: number;
  bitsPerSample: number;
}

export type Wave =
  /** Not RIFF/WAVE, without what a WAVE file must have, or with two format chunks that nobody can choose from. */
  | { kind: 'not-wave'; reason: string }
  /** It ends before a chunk does; `format` is there when its chunk came before. */
  | { kind: 'cut-off'; format: WaveFormat | undefined }
  | { kind: 'wave'; format: WaveFormat; data: Buffer };

const RIFF_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
const FORMAT_BYTES = 16;
/** Ends with SubFormat, a GUID whose first two octets are the tag. */
const EXTENSIBLE_BYTES = 40;
const SUB_FORMAT_AT = 24;
const SUB_FORMAT_TAIL = Buffer.from('000000001000800000aa00389b71', 'hex');
/** A file with more chunks than this before its samples is no recording. */
const MAX_CHUNKS = 256;
/** What writes to a pipe cannot know the size: 0xFFFFFFFF (ffmpeg), 0x7ffff000 and a little more (sox, espeak). */
const FIRST_UNKNOWN_SIZE = 0x7fff_f000;

export function readWave(bytes: Buffer): Wave {
  if (bytes.length < RIFF_HEADER_BYTES) return { kind: 'not-wave', reason: `${bytes.length} bytes` };
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE') {
    return { kind: 'not-wave', reason: 'no RIFF and WAVE in the first 12 bytes' };
  }
  let format: WaveFormat | undefined;
  let at = RIFF_HEADER_BYTES;
  for (let chunks = 0; chunks < MAX_CHUNKS; chunks += 1) {
    if (at >= bytes.length) return { kind: 'not-wave', reason: 'no data chunk' };
    if (bytes.length - at < CHUNK_HEADER_BYTES) return { kind: 'cut-off', format };
    const id = bytes.toString('latin1', at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    const start = at + CHUNK_HEADER_BYTES;
    if (id === 'data') return readData(bytes, start, size, format);
    if (size > bytes.length - start) return { kind: 'cut-off', format };
    if (id === 'fmt ') {
      if (format !== undefined) return { kind: 'not-wave', reason: 'two format chunks' };
      if (size < FORMAT_BYTES) return { kind: 'not-wave', reason: `a format chunk of ${size} bytes` };
      format = readFormat(bytes.subarray(start, start + size));
    }
    // A chunk of odd size is followed by one octet that it does not count.
    at = start + size + (size % 2);
  }
  return { kind: 'not-wave', reason: `no data in the first ${MAX_CHUNKS} chunks` };
}

function readData(bytes: Buffer, start: number, size: number, format: WaveFormat | undefined): Wave {
  if (format === undefined) return { kind: 'not-wave', reason: 'data before its format' };
  const present = bytes.length - start;
  // A size of 0 with octets after it is either a header that was never completed, and then RIFF's own size ends here
  // too, or an empty chunk before others.
  const riffEnd = CHUNK_HEADER_BYTES + bytes.readUInt32LE(4);
  const unknown = size >= FIRST_UNKNOWN_SIZE || (size === 0 && (riffEnd <= start || riffEnd >= FIRST_UNKNOWN_SIZE));
  if (unknown) return { kind: 'wave', format, data: bytes.subarray(start) };
  if (size > present) return { kind: 'cut-off', format };
  return { kind: 'wave', format, data: bytes.subarray(start, start + size) };
}

/** @param chunk at least 16 octets */
function readFormat(chunk: Buffer): WaveFormat {
  const tag = chunk.readUInt16LE(0);
  return {
    tag: tag === WAVE_TAG.extensible ? subFormatTag(chunk) : tag,
    channels: chunk.readUInt16LE(2),
    sampleRate: chunk.readUInt32LE(4),
    blockAlign: chunk.readUInt16LE(12),
    bitsPerSample: chunk.readUInt16LE(14),
  };
}

function subFormatTag(chunk: Buffer): number {
  if (chunk.length < EXTENSIBLE_BYTES) return WAVE_TAG.extensible;
  const tail = chunk.subarray(SUB_FORMAT_AT + 2, EXTENSIBLE_BYTES);
  return tail.equals(SUB_FORMAT_TAIL) ? chunk.readUInt16LE(SUB_FORMAT_AT) : WAVE_TAG.extensible;
}

const SAMPLE_BYTES = 2;

/** A WAVE file of 16-bit PCM, mono. */
export function writeWav(samples: Int16Array, sampleRate = 8_000): Buffer {
  const dataBytes = samples.length * SAMPLE_BYTES;
  const dataAt = RIFF_HEADER_BYTES + CHUNK_HEADER_BYTES + FORMAT_BYTES + CHUNK_HEADER_BYTES;
  const file = Buffer.alloc(dataAt + dataBytes);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(file.length - CHUNK_HEADER_BYTES, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(FORMAT_BYTES, 16);
  file.writeUInt16LE(WAVE_TAG.pcm, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(sampleRate, 24);
  file.writeUInt32LE(sampleRate * SAMPLE_BYTES, 28);
  file.writeUInt16LE(SAMPLE_BYTES, 32);
  file.writeUInt16LE(8 * SAMPLE_BYTES, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(dataBytes, 40);
  for (const [index, sample] of samples.entries()) file.writeInt16LE(sample, dataAt + index * SAMPLE_BYTES);
  return file;
}
