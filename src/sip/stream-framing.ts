/**
 * Cuts SIP messages out of a TCP or TLS stream by Content-Length (RFC 3261 §18.3) and finds the keep-alives between
 * them. A stream that can't be cut is broken for good: nothing after it can be trusted.
 */
import { canonicalName, MAX_HEADER_BYTES, MAX_MESSAGE_BYTES } from './message.ts';

export interface Cut {
  messages: Buffer[];
  /** It held a double line end, to which a single one is the answer (RFC 5626 §3.5.1). */
  ping: boolean;
  /** Why the stream can't be cut any more. */
  broken: string | undefined;
}

const HEADER_END = '\r\n\r\n';
const HEADER_END_BYTES = 4;

export class StreamFraming {
  #head: Buffer = Buffer.alloc(0);
  /** Where the search for the end of the headers goes on. */
  #searched = 0;
  /** Length of the message under way, once its headers are complete. */
  #wanted: number | undefined;
  /** What came after `#head` while the body was incomplete; joined once: joining at each byte would take too long. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  #broken: string | undefined;

  feed(chunk: Buffer): Cut {
    const cut: Cut = { messages: [], ping: false, broken: this.#broken };
    if (this.#broken !== undefined) return cut;
    this.#rest.push(chunk);
    this.#restBytes += chunk.length;
    if (this.#wanted !== undefined && this.#head.length + this.#restBytes < this.#wanted) return cut;
    this.#head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, ...this.#rest]);
    this.#rest = [];
    this.#restBytes = 0;
    let more = true;
    while (more) more = this.#cutOne(cut);
    cut.broken = this.#broken;
    return cut;
  }

  /** False when more bytes are needed. */
  #cutOne(cut: Cut): boolean {
    if (this.#wanted === undefined && !this.#readHead(cut)) return false;
    if (this.#wanted === undefined || this.#head.length < this.#wanted) return false;
    cut.messages.push(this.#head.subarray(0, this.#wanted));
    this.#drop(this.#wanted);
    return true;
  }

  #readHead(cut: Cut): boolean {
    this.#skipLineEnds(cut);
    if (this.#head[0] === 0x0d) return false;
    const end = this.#head.indexOf(HEADER_END, Math.max(0, this.#searched - HEADER_END_BYTES));
    this.#searched = this.#head.length;
    if (Math.max(end, end < 0 ? this.#head.length : 0) > MAX_HEADER_BYTES) return this.#break('headers too long');
    if (end < 0) return false;
    const length = contentLength(this.#head.toString('latin1', 0, end));
    if (length === undefined) return this.#break('no Content-Length');
    const wanted = end + HEADER_END_BYTES + length;
    if (wanted > MAX_MESSAGE_BYTES) return this.#break('message too long');
    this.#wanted = wanted;
    return true;
  }

  /** RFC 5626 §3.5.1: two line ends are a ping, a single one before a message is a pong. */
  #skipLineEnds(cut: Cut): void {
    let start = 0;
    while (this.#head[start] === 0x0d && this.#head[start + 1] === 0x0a) {
      const next = this.#head[start + 2];
      // It may yet become a double one.
      if (next === undefined || (next === 0x0d && this.#head[start + 3] === undefined)) break;
      const double = next === 0x0d && this.#head[start + 3] === 0x0a;
      cut.ping ||= double;
      start += double ? HEADER_END_BYTES : 2;
    }
    if (start > 0) this.#drop(start);
    if (this.#head.length > 2 && this.#head[0] === 0x0d && this.#head[1] !== 0x0a) this.#break('stray carriage return');
  }

  #drop(bytes: number): void {
    this.#head = this.#head.subarray(bytes);
    this.#searched = 0;
    this.#wanted = undefined;
  }

  #break(reason: string): false {
    this.#broken = reason;
    this.#head = Buffer.alloc(0);
    return false;
  }
}

/** §20.14: mandatory over streams. */
function contentLength(head: string): number | undefined {
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && canonicalName(line.slice(0, colon).trimEnd()) === 'Content-Length') {
      const text = line.slice(colon + 1).trim();
      return /^\d{1,6}$/.test(text) ? Number(text) : undefined;
    }
  }
  return undefined;
}
