/** Tells when a spoken message is over: something was heard, and then nothing above the noise for a while. */
import { decodeG711, type G711PayloadType } from '../sip/g711.ts';

/** What is needed to take it for a message. */
const MIN_SPEECH_MS = 100;
/** Longer than the pauses inside of a spoken sentence. */
const SILENCE_MS = 1_000;
const SAMPLES_PER_MS = 8;
/** Mean magnitude of a packet's samples, about 50 dB below full scale: under quiet speech and over a line's noise. */
const SPEECH_LEVEL = 100;

export class MessageEnd {
  readonly #payloadType: G711PayloadType;
  #speechMs = 0;
  #lastSpeechMs = 0;

  constructor(payloadType: G711PayloadType) {
    this.#payloadType = payloadType;
  }

  /** Takes a packet's payload. */
  hear(payload: Uint8Array, nowMs: number): void {
    let sum = 0;
    for (const sample of decodeG711(this.#payloadType, payload)) sum += Math.abs(sample);
    if (sum < SPEECH_LEVEL * payload.length) return;
    this.#speechMs += payload.length / SAMPLES_PER_MS;
    this.#lastSpeechMs = nowMs;
  }

  /** True once for each message. */
  isOver(nowMs: number): boolean {
    if (this.#speechMs < MIN_SPEECH_MS || nowMs - this.#lastSpeechMs < SILENCE_MS) return false;
    this.#speechMs = 0;
    return true;
  }
}
