/**
 * The calls of the simulated telephones: who called which number, how it went, and what was heard. Bounded in calls a
 * number, calls in all, and bytes of recordings. The call that ended longest ago is dropped first, an ongoing one
 * never.
 */
import { type G711PayloadType, PCMA, PCMU } from '../sip/g711.ts';
import { CallRecording } from './calls-recording.ts';

export type CallCodec = 'PCMA' | 'PCMU';
/** `phone`: it refused, or hung up. */
export type CallEndedBy = 'caller' | 'phone';

export interface SimulatedCall {
  /** Ours, in addresses; unique across restarts. */
  readonly id: string;
  /** The SIP Call-ID. */
  readonly callId: string;
  /** As `handsetNumber` gives it. */
  readonly number: string;
  /** The user of the From header. */
  readonly from: string;
  /** ms since the epoch, as the other two. */
  readonly startedAtMs: number;
  answeredAtMs: number | undefined;
  endedAtMs: number | undefined;
  endedBy: CallEndedBy | undefined;
  /** The final answer to the INVITE. */
  status: number | undefined;
  codec: CallCodec | undefined;
  /** RTP packets of speech that came, repetitions apart. */
  packets: number;
  lost: number;
  /** What the telephone pressed. */
  pressed: string;
  recording: CallRecording | undefined;
}

/** A call that ended, without what was heard. */
export type SavedCall = Omit<SimulatedCall, 'recording'>;

export interface CallLimits {
  callsPerNumber: number;
  calls: number;
  recordingBytes: number;
  waiters: number;
}

const LIMITS: CallLimits = {
  callsPerNumber: 200,
  calls: 10_000,
  recordingBytes: 200 * 1_000_000,
  waiters: 1_000,
};

const PAYLOAD_TYPES: Record<CallCodec, G711PayloadType> = { PCMA, PCMU };

export class CallStore {
  readonly #limits: CallLimits;
  readonly #newId: () => string;
  readonly #onEnded: ((call: SimulatedCall) => void) | undefined;
  readonly #onDropped: ((call: SimulatedCall) => void) | undefined;
  /** Oldest first. */
  readonly #calls = new Map<string, SimulatedCall>();
  readonly #byNumber = new Map<string, Set<SimulatedCall>>();
  readonly #waiters = new Map<string, Set<(call: SimulatedCall | undefined) => void>>();
  #recordingBytes = 0;
  /** Of these, what calls hold that have ended: what can be dropped. */
  #endedBytes = 0;
  #waiting = 0;

  /**
   * @param options.onEnded a call has its end
   * @param options.onDropped a call that ended, or its recording, was dropped
   */
  constructor(options: {
    newId: () => string;
    limits?: Partial<CallLimits>;
    onEnded?: (call: SimulatedCall) => void;
    onDropped?: (call: SimulatedCall) => void;
  }) {
    this.#limits = { ...LIMITS, ...options.limits };
    this.#newId = options.newId;
    this.#onEnded = options.onEnded;
    this.#onDropped = options.onDropped;
  }

  /** How many wait for a call's end now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** What the recordings hold, at most `recordingBytes`. */
  get recordingBytes(): number {
    return this.#recordingBytes;
  }

  begin(call: { callId: string; number: string; from: string; atMs: number }): SimulatedCall {
    const { callId, number, from, atMs } = call;
    const begun: SimulatedCall = {
      id: this.#newId(),
      callId,
      number,
      from,
      startedAtMs: atMs,
      answeredAtMs: undefined,
      endedAtMs: undefined,
      endedBy: undefined,
      status: undefined,
      codec: undefined,
      packets: 0,
      lost: 0,
      pressed: '',
      recording: undefined,
    };
    this.#keep(begun);
    return begun;
  }

  /** From here on the call has a recording. */
  answer(call: SimulatedCall, answered: { atMs: number; codec: CallCodec }): CallRecording {
    const recording = this.#newRecording(call, answered.codec);
    call.answeredAtMs = answered.atMs;
    call.status = 200;
    call.codec = answered.codec;
    call.recording = recording;
    return recording;
  }

  /** Ends a call once and wakes those that wait for it; what comes later is ignored. */
  end(call: SimulatedCall, end: { atMs: number; by: CallEndedBy; status?: number }): void {
    if (call.endedAtMs !== undefined) return;
    call.endedAtMs = end.atMs;
    call.endedBy = end.by;
    call.status ??= end.status;
    if (this.#calls.has(call.id)) {
      this.#endedBytes += call.recording?.bytes ?? 0;
      this.#onEnded?.(call);
    }
    const waiters = this.#waiters.get(call.number);
    if (waiters !== undefined) for (const wake of waiters) wake(call);
    this.#evict();
  }

  /** Puts a call of a former life back, with what was heard in its codec; the oldest first. */
  restore(saved: SavedCall, heard: Uint8Array): void {
    const call: SimulatedCall = { ...saved, recording: undefined };
    this.#keep(call);
    if (call.codec === undefined) return;
    const recording = this.#newRecording(call, call.codec);
    recording.put({ ssrc: 0, timestamp: 0, payload: heard });
    // Only now: room was made by dropping what had ended.
    call.recording = recording;
    this.#endedBytes += recording.bytes;
  }

  /** Oldest first, those that go on included. */
  of(number: string): readonly SimulatedCall[] {
    return [...(this.#byNumber.get(number) ?? [])];
  }

  find(number: string, id: string): SimulatedCall | undefined {
    const call = this.#calls.get(id);
    return call?.number === number ? call : undefined;
  }

  /** Numbers that were called, the one called first for the first time first. */
  numbers(): { number: string; calls: number }[] {
    return Array.from(this.#byNumber, ([number, calls]) => ({ number, calls: calls.size }));
  }

  /** Forgets a number's calls; one that goes on is not in any list any more. */
  clear(number: string): void {
    for (const call of this.of(number)) this.#forget(call);
  }

  /** The next call that ends after this; undefined when none did in time, or too many wait already. */
  waitForNext(number: string, timeoutMs: number): Promise<SimulatedCall | undefined> {
    if (this.#waiting >= this.#limits.waiters) return Promise.resolve(undefined);
    this.#waiting += 1;
    const waiters = this.#waiters.get(number) ?? new Set();
    this.#waiters.set(number, waiters);
    return new Promise((resolve) => {
      const done = (call: SimulatedCall | undefined): void => {
        clearTimeout(timer);
        this.#waiting -= 1;
        waiters.delete(done);
        if (waiters.size === 0) this.#waiters.delete(number);
        resolve(call);
      };
      const timer = setTimeout(() => done(undefined), timeoutMs);
      timer.unref();
      waiters.add(done);
    });
  }

  /** Ends all waiting without a call. */
  stop(): void {
    for (const waiters of this.#waiters.values()) for (const wake of waiters) wake(undefined);
  }

  #newRecording(call: SimulatedCall, codec: CallCodec): CallRecording {
    return new CallRecording({
      payloadType: PAYLOAD_TYPES[codec],
      reserve: (bytes) => this.#reserve(call, bytes),
    });
  }

  #keep(call: SimulatedCall): void {
    this.#calls.set(call.id, call);
    const ofNumber = this.#byNumber.get(call.number) ?? new Set();
    this.#byNumber.set(call.number, ofNumber);
    ofNumber.add(call);
    if (ofNumber.size > this.#limits.callsPerNumber) {
      const oldest = firstEnded(ofNumber);
      if (oldest !== undefined) this.#forget(oldest);
    }
    this.#evict();
  }

  /** A tenth too many before a tenth goes: a Map walks over what it lost before, each time. */
  #evict(): void {
    if (this.#calls.size <= this.#limits.calls * 1.1) return;
    for (const call of this.#calls.values()) {
      if (this.#calls.size <= this.#limits.calls) return;
      if (call.endedAtMs !== undefined) this.#forget(call);
    }
  }

  #forget(call: SimulatedCall): void {
    this.#dropRecording(call);
    this.#calls.delete(call.id);
    const ofNumber = this.#byNumber.get(call.number);
    ofNumber?.delete(call);
    if (ofNumber?.size === 0) this.#byNumber.delete(call.number);
    this.#onDropped?.(call);
  }

  #reserve(call: SimulatedCall, bytes: number): boolean {
    // A call that was forgotten while it goes on is not recorded any further.
    if (!this.#calls.has(call.id)) return false;
    if (this.#recordingBytes + bytes > this.#limits.recordingBytes) this.#dropRecordings(bytes);
    if (this.#recordingBytes + bytes > this.#limits.recordingBytes) return false;
    this.#recordingBytes += bytes;
    return true;
  }

  /** Makes room for this much and a tenth more, so that the walk is rare. */
  #dropRecordings(bytes: number): void {
    const { recordingBytes } = this.#limits;
    if (this.#endedBytes === 0) return;
    for (const call of this.#calls.values()) {
      if (this.#recordingBytes + bytes <= recordingBytes * 0.9) return;
      if (call.endedAtMs === undefined || call.recording === undefined) continue;
      this.#dropRecording(call);
      this.#onDropped?.(call);
    }
  }

  #dropRecording(call: SimulatedCall): void {
    if (call.recording === undefined) return;
    this.#recordingBytes -= call.recording.bytes;
    if (call.endedAtMs !== undefined) this.#endedBytes -= call.recording.bytes;
    call.recording.clear();
    call.recording = undefined;
  }
}

function firstEnded(calls: Iterable<SimulatedCall>): SimulatedCall | undefined {
  for (const call of calls) if (call.endedAtMs !== undefined) return call;
  return undefined;
}
