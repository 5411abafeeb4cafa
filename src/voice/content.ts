/**
 * What a call plays: the speech of its text, or its recording. A recording that many calls play is read once and kept
 * in memory, up to a bound; the one unused for longest is dropped first.
 */
import { readRecording } from '../store/call-recordings.ts';
import type { QueuedCall } from '../store/call-queue.ts';
import type { Database } from '../store/database.ts';
import { parseRecording } from './recording.ts';
import { type SpeechDriver, SpeechFailure, type SpeechVoice } from './speech/driver.ts';

const MAX_KEPT_SAMPLES = 32 * 1024 * 1024;

export type Content =
  | { readonly kind: 'made'; readonly samples: Int16Array }
  /** Trying again later may help. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** Trying again would not. */
  | { readonly kind: 'impossible'; readonly reason: string };

export class CallContent {
  readonly #speech: SpeechDriver;
  readonly #database: Database;
  readonly #kept = new Map<number, Int16Array>();
  #keptSamples = 0;

  constructor(options: { speech: SpeechDriver; database: Database }) {
    this.#speech = options.speech;
    this.#database = options.database;
  }

  /** 8,000 Hz mono, not to be written to. Never throws. */
  async of(call: QueuedCall): Promise<Content> {
    try {
      return call.recordingId === null ? await this.#speechOf(call) : await this.#recording(call.recordingId);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const refused = error instanceof SpeechFailure && error.kind === 'refused';
      return { kind: refused ? 'impossible' : 'failed', reason };
    }
  }

  async #speechOf({ body: text, voice, speed, volume }: QueuedCall): Promise<Content> {
    return {
      kind: 'made',
      samples: await this.#speech.synthesize({ text, voice: voice as SpeechVoice, speed, volume }),
    };
  }

  async #recording(recordingId: number): Promise<Content> {
    const kept = this.#kept.get(recordingId);
    if (kept !== undefined) {
      this.#kept.delete(recordingId);
      this.#kept.set(recordingId, kept);
      return { kind: 'made', samples: kept };
    }
    const file = await readRecording(this.#database, recordingId);
    if (file === undefined) return { kind: 'impossible', reason: 'the recording is gone' };
    const parsed = parseRecording(file);
    if (!parsed.ok) return { kind: 'impossible', reason: 'the recording cannot be read' };
    this.#keep(recordingId, parsed.samples);
    return { kind: 'made', samples: parsed.samples };
  }

  #keep(recordingId: number, samples: Int16Array): void {
    if (this.#kept.has(recordingId)) return;
    this.#kept.set(recordingId, samples);
    this.#keptSamples += samples.length;
    for (const [oldest, dropped] of this.#kept) {
      if (this.#keptSamples <= MAX_KEPT_SAMPLES) return;
      this.#kept.delete(oldest);
      this.#keptSamples -= dropped.length;
    }
  }
}
