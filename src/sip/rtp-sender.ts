/**
 * Numbers the packets of one outgoing G.711 stream (RFC 3550 §5.1): SSRC, first sequence number and first timestamp
 * are random, the timestamp follows the time that passes whether or not something is sent. It knows no socket.
 */
import { encodeG711Into, type G711PayloadType, silenceOctet } from './g711.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from './rtp-packet.ts';

/** RFC 3551 §4.2: the usual packet time. */
export const PTIME_MS = 20;
/** At 8,000 Hz. */
export const SAMPLES_PER_PACKET = 160;

export class RtpSender {
  readonly #ssrc: number;
  #sequence: number;
  #timestamp: number;
  /** RFC 3551 §4.1: set on the first packet after a time without any. */
  #marker = true;

  /** @param randomUint32 of cryptographic quality: numbers to guess keep a forger out (RFC 3550 §9.1) */
  constructor(randomUint32: () => number) {
    this.#ssrc = randomUint32();
    this.#sequence = randomUint32() & 0xffff;
    this.#timestamp = randomUint32();
  }

  /** The next 20 ms: `SAMPLES_PER_PACKET` samples from `from` on, silence after their end. */
  packet(payloadType: G711PayloadType, samples: Int16Array, from: number): Buffer {
    // A buffer of its own: the kernel may take it later than this returns.
    const bytes = Buffer.allocUnsafe(RTP_HEADER_BYTES + SAMPLES_PER_PACKET);
    const header = { payloadType, marker: this.#marker, sequence: this.#sequence };
    writeRtpHeader({ ...header, timestamp: this.#timestamp, ssrc: this.#ssrc }, bytes);
    const to = Math.max(from, Math.min(from + SAMPLES_PER_PACKET, samples.length));
    encodeG711Into(payloadType, { samples, from, to }, bytes, RTP_HEADER_BYTES);
    bytes.fill(silenceOctet(payloadType), RTP_HEADER_BYTES + to - from);
    this.#marker = false;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + SAMPLES_PER_PACKET) >>> 0;
    return bytes;
  }

  /** Time in which nothing was sent, in packets. */
  skip(packets: number): void {
    this.#timestamp = (this.#timestamp + packets * SAMPLES_PER_PACKET) >>> 0;
    this.#marker = true;
  }
}
