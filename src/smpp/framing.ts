/**
 * Cuts a byte stream into PDUs by command_length (SMPP 3.4 §3.2), however the stream is divided into chunks. Keeps at
 * most one unfinished PDU. A length that no PDU can have breaks the framing for good: nothing after it can be trusted.
 */
import { HEADER_BYTES } from './pdu.ts';

export const MAX_PDU_BYTES = 65_536;
const LENGTH_BYTES = 4;

export interface Frames {
  /** Whole PDUs in order: views of the chunk where they were whole in it. */
  frames: Buffer[];
  /** Why the stream can't be read any further; `frames` holds what came before. */
  broken?: string;
}

export class FrameReader {
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  /** The unfinished PDU: `#length` until its four bytes are there, then a buffer of its whole size. */
  #partial: Buffer = this.#length;
  #filled = 0;
  #broken: string | undefined;

  /** Takes the next bytes of the stream. After `broken` every further call answers the same. */
  feed(chunk: Buffer): Frames {
    const frames: Buffer[] = [];
    let at = this.#filled > 0 ? this.#resume(chunk, frames) : 0;
    while (this.#broken === undefined && chunk.length - at >= LENGTH_BYTES) {
      const length = this.#checkedLength(chunk, at);
      if (length === 0) break;
      if (chunk.length - at < length) {
        this.#partial = Buffer.allocUnsafe(length);
        break;
      }
      frames.push(at === 0 && length === chunk.length ? chunk : chunk.subarray(at, at + length));
      at += length;
    }
    if (this.#broken !== undefined) return { frames, broken: this.#broken };
    if (at < chunk.length) this.#filled += chunk.copy(this.#partial, this.#filled, at);
    return { frames };
  }

  /** Goes on with the unfinished PDU; returns how many bytes of the chunk it took. */
  #resume(chunk: Buffer, frames: Buffer[]): number {
    let at = 0;
    if (this.#partial === this.#length) {
      at = chunk.copy(this.#length, this.#filled, 0);
      this.#filled += at;
      if (this.#filled < LENGTH_BYTES) return at;
      const length = this.#checkedLength(this.#length, 0);
      if (length === 0) return at;
      this.#partial = Buffer.allocUnsafe(length);
      this.#length.copy(this.#partial);
    }
    const copied = chunk.copy(this.#partial, this.#filled, at);
    this.#filled += copied;
    if (this.#filled === this.#partial.length) {
      frames.push(this.#partial);
      this.#partial = this.#length;
      this.#filled = 0;
    }
    return at + copied;
  }

  /** command_length at `at`, or 0 after marking the stream broken. */
  #checkedLength(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at);
    if (length >= HEADER_BYTES && length <= MAX_PDU_BYTES) return length;
    this.#broken = `command_length of ${length}`;
    this.#partial = this.#length;
    this.#filled = 0;
    return 0;
  }
}
