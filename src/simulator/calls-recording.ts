/**
 * What a telephone heard in one call, as the bytes that came (G.711, 8,000 a second), each packet at the place its RTP
 * timestamp gives it; where nothing came there is silence. It begins with the first packet and is bounded in length;
 * memory is asked for a second at a time.
 */

import { decodeG711, type G711PayloadType, silenceOctet } from '../sip/g711.ts';

/** 10 minutes of 8,000 samples. */
export const MAX_RECORDING_SAMPLES = 600 * 8_000;
/** A second; what is asked for and given back at a time. */
export const CHUNK_BYTES = 8_000;
/** A packet that overtook the first one is still placed when it is not older than this: 0.2 s. */
const LEAD_IN_SAMPLES = 1_600;
/** A timestamp further from the last one than this is another stream's: 30 s. */
const MAX_JUMP_SAMPLES = 30 * 8_000;

export class CallRecording {
  readonly #payloadType: G711PayloadType;
  readonly #silence: number;
  readonly #reserve: (bytes: number) => boolean;
  /** Undefined is silence. */
  #chunks: (Buffer | undefined)[] = [];
  #ssrc: number | undefined;
  /** The timestamp of position 0, or what it would have been with the present SSRC. */
  #origin = 0;
  #last = 0;
  #samples = 0;
  #bytes = 0;

  /**
   * @param options.reserve whether this many bytes more may be held
   */
  constructor(options: { payloadType: G711PayloadType; reserve: (bytes: number) => boolean }) {
    this.#payloadType = options.payloadType;
    this.#silence = silenceOctet(options.payloadType);
    this.#reserve = options.reserve;
  }

  /** From the first packet to the end of the latest one. */
  get samples(): number {
    return this.#samples;
  }

  /** Memory that was reserved and is held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A stream that changes its SSRC, or jumps, goes on where the one before ended. */
  put(packet: { ssrc: number; timestamp: number; payload: Uint8Array }): void {
    const { ssrc, timestamp, payload } = packet;
    if (ssrc !== this.#ssrc || Math.abs((timestamp - this.#last) | 0) > MAX_JUMP_SAMPLES) {
      this.#ssrc = ssrc;
      this.#origin = (timestamp - this.#samples) >>> 0;
    }
    this.#last = timestamp;
    let position = (timestamp - this.#origin) | 0;
    if (position < 0) {
      if (position < -LEAD_IN_SAMPLES || this.#samples > LEAD_IN_SAMPLES) return;
      this.#shift(-position);
      position = 0;
    }
    this.#write(position, payload);
  }

  /** The whole recording, 16-bit linear; empty when nothing was heard. */
  decode(): Int16Array {
    return decodeG711(this.#payloadType, this.encoded());
  }

  /** The same in its codec. */
  encoded(): Buffer {
    const whole = Buffer.alloc(this.#samples, this.#silence);
    for (const [index, chunk] of this.#chunks.entries()) {
      chunk?.copy(whole, index * CHUNK_BYTES, 0, Math.min(CHUNK_BYTES, this.#samples - index * CHUNK_BYTES));
    }
    return whole;
  }

  /** Forgets everything; the bytes it held are the caller's to give back. */
  clear(): void {
    this.#chunks = [];
    this.#samples = 0;
    this.#bytes = 0;
    this.#ssrc = undefined;
  }

  #write(position: number, payload: Uint8Array): void {
    const end = Math.min(position + payload.length, MAX_RECORDING_SAMPLES);
    for (let at = position; at < end; ) {
      const index = Math.floor(at / CHUNK_BYTES);
      const stop = Math.min(end, (index + 1) * CHUNK_BYTES);
      const chunk = this.#chunks[index] ?? this.#take(index);
      if (chunk === undefined) return;
      chunk.set(payload.subarray(at - position, stop - position), at - index * CHUNK_BYTES);
      at = stop;
      this.#samples = Math.max(this.#samples, stop);
    }
  }

  #take(index: number): Buffer | undefined {
    if (!this.#reserve(CHUNK_BYTES)) return undefined;
    const chunk = Buffer.alloc(CHUNK_BYTES, this.#silence);
    while (this.#chunks.length < index) this.#chunks.push(undefined);
    this.#chunks[index] = chunk;
    this.#bytes += CHUNK_BYTES;
    return chunk;
  }

  /** Makes room in front; only while there is next to nothing to move. */
  #shift(samples: number): void {
    const heard = this.encoded();
    for (const chunk of this.#chunks) chunk?.fill(this.#silence);
    this.#origin = (this.#origin - samples) >>> 0;
    this.#write(samples, heard);
  }
}
