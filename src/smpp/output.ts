/**
 * The sending side of one socket: PDUs are encoded side by side into one arena and handed over once per turn of the
 * event loop, since a write for every PDU costs more than everything else. Never sends while the peer does not drain.
 */
import type { Socket } from 'node:net';
import { FieldWriter } from './fields.ts';
import { MAX_PDU_BYTES } from './framing.ts';
import { type Pdu, pduSizeBound, writePdu } from './pdu.ts';

/** Large enough for some 400 PDUs of one turn; an arena is filled once and then left to the collector. */
const ARENA_BYTES = 65_536;

export class Output {
  /** Counts the hand-overs to the socket: what was written under the present number has certainly not left yet. */
  batch = 0;
  readonly #socket: Socket;
  readonly #mayWrite: () => boolean;
  readonly #onBarred: () => void;
  readonly #writer = new FieldWriter(Buffer.allocUnsafe(ARENA_BYTES));
  /** Where in the arena the bytes not yet handed over begin. */
  #start = 0;
  /** Filled arenas before the present one, not yet handed over; bounded by what callers keep unanswered. */
  #full: Buffer[] = [];
  #fullBytes = 0;
  #scheduled = false;
  #blocked = false;
  #ended = false;
  #stopped = false;
  readonly #flush = (): void => {
    this.#scheduled = false;
    this.#handOver();
  };

  /**
   * `mayWrite` is asked right before bytes go to the socket; when it says no they stay here, and `onBarred` is told.
   */
  constructor(socket: Socket, gate: { mayWrite: () => boolean; onBarred: () => void }) {
    this.#socket = socket;
    this.#mayWrite = gate.mayWrite;
    this.#onBarred = gate.onBarred;
    socket.on('drain', () => {
      this.#blocked = false;
      this.#handOver();
    });
  }

  /** True while the socket holds more than it likes; what is written meanwhile waits here. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Bytes written and not yet taken by the kernel. */
  unsentBytes(): number {
    return this.#heldBytes() + this.#socket.writableLength;
  }

  /** Does nothing after `end` or `stop`. Throws a RangeError, and writes nothing, for a PDU that no peer would take. */
  pdu(pdu: Pdu): void {
    if (this.#stopped || this.#ended) return;
    this.#reserve(pduSizeBound(pdu));
    const before = this.#writer.at;
    try {
      writePdu(this.#writer, pdu);
      const size = this.#writer.at - before;
      if (size > MAX_PDU_BYTES) throw new RangeError(`${pdu.command} of ${size} bytes`);
    } catch (error) {
      this.#writer.at = before;
      throw error;
    }
    this.#schedule();
  }

  raw(bytes: Uint8Array): void {
    if (this.#stopped || this.#ended) return;
    this.#reserve(bytes.length);
    this.#writer.octets(bytes);
    this.#schedule();
  }

  /** Hands over what is there and half-closes after it. */
  end(): void {
    this.#ended = true;
    this.#handOver();
  }

  /** Forgets what was not handed over. */
  stop(): void {
    this.#stopped = true;
    this.#full = [];
    this.#fullBytes = 0;
    this.#start = this.#writer.at;
  }

  #heldBytes(): number {
    return this.#fullBytes + this.#writer.at - this.#start;
  }

  #reserve(size: number): void {
    const writer = this.#writer;
    if (writer.bytes.length - writer.at >= size) return;
    this.#shelve();
    writer.bytes = Buffer.allocUnsafe(Math.max(ARENA_BYTES, size));
    writer.at = 0;
    this.#start = 0;
  }

  #shelve(): void {
    const { bytes, at } = this.#writer;
    if (at === this.#start) return;
    this.#full.push(bytes.subarray(this.#start, at));
    this.#fullBytes += at - this.#start;
    this.#start = at;
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  #handOver(): void {
    if (this.#stopped || this.#blocked) return;
    if (this.#heldBytes() > 0) {
      if (!this.#mayWrite()) {
        this.#onBarred();
        return;
      }
      this.#shelve();
      const full = this.#full;
      this.#full = [];
      this.#fullBytes = 0;
      this.batch += 1;
      if (full.length > 1) this.#socket.cork();
      for (const bytes of full) this.#blocked = !this.#socket.write(bytes);
      if (full.length > 1) this.#socket.uncork();
    }
    if (this.#ended && !this.#socket.writableEnded && this.#heldBytes() === 0) this.#socket.end();
  }
}
