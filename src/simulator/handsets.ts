/**
 * The virtual handsets: what each number received, long messages joined. Bounded in numbers, messages a number,
 * messages in all and unfinished joins (give or take a tenth); what was used longest ago is dropped first. A message
 * that was sent twice is there twice; a segment that came twice does not spoil its message.
 */
import type { ConcatenationInfo } from '../gsm/user-data.ts';

export interface HandsetMessage {
  text: string;
  segments: number;
  /** When its last segment came, ms since the epoch. */
  receivedAtMs: number;
  from: string;
}

/** One segment, or a whole short message. */
export interface Arrival {
  /** As `handsetNumber` gives it. */
  number: string;
  from: string;
  text: string;
  atMs: number;
  part?: ConcatenationInfo;
}

interface Join {
  number: string;
  from: string;
  reference: number;
  total: number;
  firstAtMs: number;
  parts: Map<number, { text: string; atMs: number }>;
  /** The parts of the message that was last joined here, to tell a repetition from a reused reference. */
  joined: ReadonlyMap<number, { text: string }> | undefined;
}

export interface HandsetLimits {
  numbers: number;
  messagesPerNumber: number;
  messages: number;
  joins: number;
  waiters: number;
}

const LIMITS: HandsetLimits = {
  numbers: 50_000,
  messagesPerNumber: 200,
  messages: 200_000,
  joins: 20_000,
  waiters: 1_000,
};
/** A reference may be used again after this time. */
const JOIN_MAX_AGE_MS = 15 * 60_000;

export class HandsetStore {
  readonly #limits: HandsetLimits;
  /** Least recently used first. */
  readonly #inboxes = new Map<string, HandsetMessage[]>();
  readonly #joins = new Map<string, Join>();
  readonly #waiters = new Map<string, Set<(message: HandsetMessage | undefined) => void>>();
  #messages = 0;
  #waiting = 0;

  constructor(limits: Partial<HandsetLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
  }

  /** How many wait for a message now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes a segment; gives the message it completed, if it did. */
  receive(arrival: Arrival): HandsetMessage | undefined {
    const whole = arrival.part === undefined || arrival.part.total === 1 ? single(arrival) : this.#join(arrival);
    if (whole !== undefined) this.put(arrival.number, whole);
    return whole;
  }

  /** Lays a whole message on a handset. */
  put(number: string, message: HandsetMessage): void {
    const inbox = this.#inboxes.get(number) ?? [];
    this.#inboxes.delete(number);
    this.#inboxes.set(number, inbox);
    inbox.push(message);
    this.#messages += 1;
    if (inbox.length > this.#limits.messagesPerNumber) {
      inbox.shift();
      this.#messages -= 1;
    }
    this.#evict();
    const waiters = this.#waiters.get(number);
    if (waiters !== undefined) for (const wake of waiters) wake(message);
  }

  /** Oldest first. */
  messages(number: string): readonly HandsetMessage[] {
    return this.#inboxes.get(number) ?? [];
  }

  /** Numbers that received something, the latest last. */
  numbers(): { number: string; messages: number }[] {
    return Array.from(this.#inboxes, ([number, inbox]) => ({ number, messages: inbox.length }));
  }

  /** Empties a handset, unfinished messages included. */
  clear(number: string): void {
    this.#messages -= this.messages(number).length;
    this.#inboxes.delete(number);
    for (const [key, join] of this.#joins) if (join.number === number) this.#joins.delete(key);
  }

  /** The next message that arrives after this call; undefined when none came in time, or too many wait already. */
  waitForNext(number: string, timeoutMs: number): Promise<HandsetMessage | undefined> {
    if (this.#waiting >= this.#limits.waiters) return Promise.resolve(undefined);
    this.#waiting += 1;
    const waiters = this.#waiters.get(number) ?? new Set();
    this.#waiters.set(number, waiters);
    return new Promise((resolve) => {
      const done = (message: HandsetMessage | undefined): void => {
        clearTimeout(timer);
        this.#waiting -= 1;
        waiters.delete(done);
        if (waiters.size === 0) this.#waiters.delete(number);
        resolve(message);
      };
      const timer = setTimeout(() => done(undefined), timeoutMs);
      timer.unref();
      waiters.add(done);
    });
  }

  /** Ends all waiting without a message. */
  stop(): void {
    for (const waiters of this.#waiters.values()) for (const wake of waiters) wake(undefined);
  }

  /** The latest handsets' messages, about `limit` of them, those of the number used longest ago first. */
  *latest(limit: number): Generator<{ number: string; message: HandsetMessage }> {
    const chosen: [string, HandsetMessage[]][] = [];
    let count = 0;
    for (const entry of [...this.#inboxes].reverse()) {
      if (count >= limit) break;
      chosen.push(entry);
      count += entry[1].length;
    }
    for (const [number, inbox] of chosen.reverse()) for (const message of inbox) yield { number, message };
  }

  /** The segments of the unfinished messages, at most of the `limit` latest. */
  *unfinished(limit: number): Generator<Arrival> {
    const open = [...this.#joins.values()].filter((join) => join.parts.size > 0);
    for (const { number, from, reference, total, parts } of open.slice(-limit)) {
      for (const [sequence, { text, atMs }] of parts) {
        yield { number, from, text, atMs, part: { reference, total, sequence } };
      }
    }
  }

  #join(arrival: Arrival): HandsetMessage | undefined {
    const { number, from, text, atMs, part } = arrival;
    if (part === undefined) return undefined;
    const { reference, total, sequence } = part;
    const key = `${number}|${from}|${reference}|${total}`;
    let join = this.#joins.get(key);
    this.#joins.delete(key);
    if (join === undefined || beginsAnother(join, arrival, sequence)) {
      join = { number, from, reference, total, firstAtMs: atMs, parts: new Map(), joined: undefined };
    }
    if (join.parts.size === 0) join.firstAtMs = atMs;
    if (differs(join.joined?.get(sequence), text)) {
      join.joined = undefined;
      // Later parts that came before this one were repetitions of the message before.
      for (const known of join.parts.keys()) if (known > sequence) join.parts.delete(known);
    }
    this.#joins.set(key, join);
    join.parts.set(sequence, { text, atMs });
    if (join.parts.size < total) {
      this.#evictJoins();
      return undefined;
    }
    const parts = [...join.parts].sort(([left], [right]) => left - right);
    join.joined = join.parts;
    join.parts = new Map();
    const joinedText = parts.map(([, one]) => one.text).join('');
    return { text: joinedText, segments: total, receivedAtMs: atMs, from };
  }

  #evict(): void {
    const { numbers, messages } = this.#limits;
    if (this.#inboxes.size <= withSlack(numbers) && this.#messages <= withSlack(messages)) return;
    for (const [number, inbox] of this.#inboxes) {
      if (this.#inboxes.size <= numbers && this.#messages <= messages) return;
      this.#inboxes.delete(number);
      this.#messages -= inbox.length;
    }
  }

  #evictJoins(): void {
    if (this.#joins.size <= withSlack(this.#limits.joins)) return;
    for (const key of this.#joins.keys()) {
      if (this.#joins.size <= this.#limits.joins) return;
      this.#joins.delete(key);
    }
  }
}

/**
 * Drops a tenth at a time. Dropping single entries makes a Map walk over every entry removed before, each time, which
 * took 60 of the 65 µs of a message.
 */
function withSlack(limit: number): number {
  return limit + Math.floor(limit / 10);
}

function single(arrival: Arrival): HandsetMessage {
  return { text: arrival.text, segments: 1, receivedAtMs: arrival.atMs, from: arrival.from };
}

/** Whether this segment cannot belong to the unfinished message under its reference. */
function beginsAnother(join: Join, arrival: Arrival, sequence: number): boolean {
  if (join.parts.size === 0) return differs(join.joined?.get(sequence), arrival.text);
  return arrival.atMs - join.firstAtMs > JOIN_MAX_AGE_MS || differs(join.parts.get(sequence), arrival.text);
}

function differs(known: { text: string } | undefined, text: string): boolean {
  return known !== undefined && known.text !== text;
}
