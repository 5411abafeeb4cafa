/** A set of msgids as a bitmap: they are handed out in order, so a quarter of a million of them are 32 KB. */
const FIRST_MSGID = 100_000_000;
const FIRST_BYTES = 65_536;
/** 80 million msgids: hours of any benchmark. */
const MAX_BYTES = 10_000_000;

export class MsgidSet {
  #bits: Uint8Array;
  #size = 0;

  /** @param bits what `bits` of another set gave, perhaps in another process */
  constructor(bits: Uint8Array = new Uint8Array(FIRST_BYTES)) {
    this.#bits = bits;
    for (let at = 0; at < bits.length; at++) {
      for (let byte = bits[at] ?? 0; byte !== 0; byte &= byte - 1) this.#size++;
    }
  }

  get bits(): Uint8Array {
    return this.#bits;
  }

  get size(): number {
    return this.#size;
  }

  /** False when it was there already. Throws for what is no msgid of a fresh database. */
  add(msgid: number): boolean {
    const place = msgid - FIRST_MSGID;
    const at = Math.floor(place / 8);
    if (!(place >= 0 && at < MAX_BYTES)) throw new RangeError(`not a msgid of this run: ${msgid}`);
    while (at >= this.#bits.length) this.#grow();
    const bit = 1 << (place % 8);
    const byte = this.#bits[at] ?? 0;
    if ((byte & bit) !== 0) return false;
    this.#bits[at] = byte | bit;
    this.#size++;
    return true;
  }

  has(msgid: number): boolean {
    const place = msgid - FIRST_MSGID;
    return ((this.#bits[Math.floor(place / 8)] ?? 0) & (1 << (place % 8))) !== 0;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let at = 0; at < this.#bits.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        if (((this.#bits[at] ?? 0) & (1 << bit)) !== 0) yield FIRST_MSGID + at * 8 + bit;
      }
    }
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bits.length * 2);
    larger.set(this.#bits);
    this.#bits = larger;
  }
}
