/**
 * The bytes of a connection since its last line feed, up to a bound; a longer line is forgotten. In the usual case, a
 * packet that ends with a line feed, this costs one comparison.
 */
const LINE_FEED = 0x0a;
const FIRST_CAPACITY_BYTES = 512;
/** What is kept allocated for the next line. */
const KEPT_CAPACITY_BYTES = 4_096;
const NOTHING = Buffer.alloc(0);

export class UnfinishedLine {
  readonly #maxBytes: number;
  #buffer: Buffer = NOTHING;
  #length = 0;
  #tooLong = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What came next on the connection. */
  add(packet: Buffer): void {
    if (packet[packet.length - 1] === LINE_FEED) {
      this.clear();
      return;
    }
    const afterLine = packet.lastIndexOf(LINE_FEED) + 1;
    if (afterLine > 0) this.clear();
    this.#append(packet, afterLine);
  }

  /** Valid until the next `add`; empty when the line is too long to be kept. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  clear(): void {
    if (this.#length === 0 && !this.#tooLong) return;
    this.#length = 0;
    this.#tooLong = false;
    if (this.#buffer.length > KEPT_CAPACITY_BYTES) this.#buffer = NOTHING;
  }

  #append(packet: Buffer, from: number): void {
    const length = this.#length + packet.length - from;
    if (this.#tooLong || length > this.#maxBytes) {
      this.clear();
      this.#tooLong = true;
      return;
    }
    if (length > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#buffer.length, FIRST_CAPACITY_BYTES));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    packet.copy(this.#buffer, this.#length, from);
    this.#length = length;
  }
}
