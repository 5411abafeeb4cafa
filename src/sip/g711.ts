/**
 * A-law and µ-law (ITU-T G.711) to and from 16-bit linear samples, bit for bit as the standard's decision values put
 * it: negative samples by their one's complement, as the reference code of ITU-T G.191 does.
 */

/** RTP payload types of RFC 3551 §6. */
export const PCMU = 0;
export const PCMA = 8;
export type G711PayloadType = typeof PCMU | typeof PCMA;

/** G.711 §3.2: even bits of an A-law octet travel inverted. */
const A_LAW_INVERSION = 0x55;
/** G.711 Table 2a: the µ-law segments start at 33 on the scale where the largest magnitude is 8,159. */
const MU_LAW_BIAS = 33;
const MU_LAW_MAX_BIASED = 0x1fff;

const A_LAW_SAMPLES = Int16Array.from({ length: 256 }, (_, code) => aLawSample(code));
const MU_LAW_SAMPLES = Int16Array.from({ length: 256 }, (_, code) => muLawSample(code));
/** By the sample as an unsigned 16-bit number. */
const A_LAW_CODES = Uint8Array.from({ length: 0x10000 }, (_, bits) => aLawCode((bits << 16) >> 16));
const MU_LAW_CODES = Uint8Array.from({ length: 0x10000 }, (_, bits) => muLawCode((bits << 16) >> 16));

/** 13-bit magnitudes of Table 1a, times 8. */
function aLawSample(code: number): number {
  const bits = code ^ A_LAW_INVERSION;
  const segment = (bits >> 4) & 7;
  const step = 2 * (bits & 15);
  const magnitude = segment === 0 ? step + 1 : (step + 33) << (segment - 1);
  return 8 * ((bits & 0x80) === 0 ? -magnitude : magnitude);
}

/** 14-bit magnitudes of Table 2a, times 4. */
function muLawSample(code: number): number {
  const bits = ~code;
  const magnitude = ((2 * (bits & 15) + MU_LAW_BIAS) << ((bits >> 4) & 7)) - MU_LAW_BIAS;
  return 4 * ((bits & 0x80) === 0 ? magnitude : -magnitude);
}

function aLawCode(sample: number): number {
  const sign = sample < 0 ? 0 : 0x80;
  const magnitude = (sample < 0 ? ~sample : sample) >> 4;
  if (magnitude < 16) return (sign | magnitude) ^ A_LAW_INVERSION;
  const segment = highestBit(magnitude) - 3;
  return (sign | (segment << 4) | ((magnitude >> (segment - 1)) & 15)) ^ A_LAW_INVERSION;
}

function muLawCode(sample: number): number {
  const sign = sample < 0 ? 0 : 0x80;
  const magnitude = (sample < 0 ? ~sample : sample) >> 2;
  const biased = Math.min(magnitude + MU_LAW_BIAS, MU_LAW_MAX_BIASED);
  const segment = highestBit(biased) - 5;
  const bits = (segment << 4) | ((biased >> (segment + 1)) & 15);
  return sign | (~bits & 0x7f);
}

function highestBit(value: number): number {
  return 31 - Math.clz32(value);
}

/** The octet that means silence: a sample of zero. */
export function silenceOctet(payloadType: G711PayloadType): number {
  return payloadType === PCMA ? aLawCode(0) : muLawCode(0);
}

/** Encodes `samples[from]` up to before `samples[to]` into `target` at `at`; no copy in between. */
export function encodeG711Into(
  payloadType: G711PayloadType,
  source: { samples: Int16Array; from: number; to: number },
  target: Uint8Array,
  at: number,
): void {
  const codes = payloadType === PCMA ? A_LAW_CODES : MU_LAW_CODES;
  const { samples, from, to } = source;
  for (let index = from; index < to; index += 1) {
    target[at + index - from] = codes[(samples[index] ?? 0) & 0xffff] ?? 0;
  }
}

/** One octet a sample. */
export function encodeG711(payloadType: G711PayloadType, samples: Int16Array): Buffer {
  const bytes = Buffer.allocUnsafe(samples.length);
  encodeG711Into(payloadType, { samples, from: 0, to: samples.length }, bytes, 0);
  return bytes;
}

/** One sample an octet. */
export function decodeG711(payloadType: G711PayloadType, bytes: Uint8Array): Int16Array {
  const decoded = payloadType === PCMA ? A_LAW_SAMPLES : MU_LAW_SAMPLES;
  const samples = new Int16Array(bytes.length);
  for (let index = 0; index < bytes.length; index += 1) samples[index] = decoded[bytes[index] ?? 0] ?? 0;
  return samples;
}
