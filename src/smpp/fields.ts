/**
 * The primitive fields of SMPP 3.4 §3.1: integers and C-octet strings, read from and written into one buffer
 * at a moving position. Reading never throws: a field past the end sets `truncated` and yields zero.
 */

const QUESTION_MARK = 0x3f;

export class FieldReader {
  readonly bytes: Buffer;
  /** Position of the next field, in bytes. */
  at: number;
  /** True once a field of fixed size was incomplete. */
  truncated = false;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  remaining(): number {
    return this.bytes.length - this.at;
  }

  uint8(): number {
    const value = this.bytes[this.at];
    if (value === undefined) {
      this.truncated = true;
      return 0;
    }
    this.at += 1;
    return value;
  }

  uint16(): number {
    return (this.uint8() << 8) | this.uint8();
  }

  /** A C-octet string. One without its NUL ends with the PDU: some peers exceed the standard's maximum or forget it. */
  string(): string {
    const start = this.at;
    const bytes = this.bytes;
    let end = start;
    while (end < bytes.length && bytes[end] !== 0) end += 1;
    this.at = Math.min(end + 1, bytes.length);
    return end === start ? '' : bytes.toString('latin1', start, end);
  }

  /** A view of `length` bytes, not a copy; all that is there, and `truncated`, when fewer remain. */
  octets(length: number): Buffer {
    const start = this.at;
    const end = Math.min(start + length, this.bytes.length);
    if (end - start < length) this.truncated = true;
    this.at = end;
    return this.bytes.subarray(start, end);
  }
}

/** Writes into a buffer that its owner made large enough; the owner moves `at` and `bytes` between PDUs. */
export class FieldWriter {
  bytes: Buffer;
  /** Position of the next field, in bytes. */
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  uint8(value: number): void {
    this.bytes[this.at] = value;
    this.at += 1;
  }

  uint16(value: number): void {
    const { bytes, at } = this;
    bytes[at] = value >>> 8;
    bytes[at + 1] = value;
    this.at = at + 2;
  }

  uint32(value: number): void {
    this.uint32At(this.at, value);
    this.at += 4;
  }

  uint32At(at: number, value: number): void {
    const { bytes } = this;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
  }

  /** A C-octet string in ISO 8859-1. NUL, which would end it early, and what the alphabet lacks become `?`. */
  string(value: string): void {
    const { bytes } = this;
    let at = this.at;
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index);
      bytes[at] = code === 0 || code > 0xff ? QUESTION_MARK : code;
      at += 1;
    }
    bytes[at] = 0;
    this.at = at + 1;
  }

  octets(value: Uint8Array): void {
    this.bytes.set(value, this.at);
    this.at += value.length;
  }
}
