/**
 * What the platform asks of a speech engine, and how one may fail. The drivers (`espeak.ts`, `command.ts`,
 * `http.ts`) stand behind this; `open.ts` chooses one and puts the cache before it.
 */

export const SPEECH_RATE_HZ = 8000;
export const SPEECH_VOICES = [1, 2, 3, 4] as const;
/** 1 to 3 are women, 4 is a man (contract §2, `voice`). */
export type SpeechVoice = (typeof SPEECH_VOICES)[number];

export interface SpeechRequest {
  text: string;
  voice: SpeechVoice;
  /** −10 (half as fast) to 10 (twice as fast). */
  speed: number;
  /** 0 (silence) to 100, linear in amplitude. */
  volume: number;
}

export interface SpeechDriver {
  /**
   * 8,000 Hz mono; the samples may be shared with other callers, so they are not to be written to.
   * @throws SpeechFailure; asking again later is sensible for every kind but `refused`
   */
  synthesize(request: SpeechRequest): Promise<Int16Array>;
  /** What is under way or waiting fails with `stopped`; resolves when no process or connection is left. */
  stop(): Promise<void>;
}

export const SPEECH_FAILURES = ['refused', 'busy', 'timed-out', 'crashed', 'unusable-audio', 'stopped'] as const;
export type SpeechFailureKind = (typeof SPEECH_FAILURES)[number];

/** Costs the message a retry; its text is never part of `message`. */
export class SpeechFailure extends Error {
  override readonly name = 'SpeechFailure';
  readonly kind: SpeechFailureKind;

  constructor(kind: SpeechFailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** How much faster than at speed 0 a driver speaks: from a half to double, each step the same ratio. */
export function tempoOf(speed: number): number {
  return 2 ** (speed / 10);
}
