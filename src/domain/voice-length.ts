/**
 * An upper bound of how long a call will talk, judged from the request alone: points are reserved by it before any
 * speech is made (point 30). It is rather too long than too short; a call that takes longer still costs no more than
 * was reserved.
 */
import { spokenText } from './spoken-text.ts';
import type { Replay } from './voice-request.ts';

/** No call talks longer, however often it is to be replayed. */
export const MAX_CALL_SECONDS = 3_600;
/** Between two plays of `replay=1`. */
export const REPLAY_GAP_MS = 1_000;
/** How long `replay=2` listens for the key after each play. */
export const REPLAY_LISTEN_MS = 6_000;
/** Silence before BYE: without it the last word is lost in the far jitter buffer (design, "SIP"). */
export const TAIL_SILENCE_MS = 500;
/** Answering, hanging up, and the pause before the first word. */
const MARGIN_MS = 1_500;

/**
 * Milliseconds of speech by kind of character at speed 0, as upper bounds. A hanzi is a syllable; a capital may be
 * read by its name; other letters go by words; anything else is a pause.
 */
const HANZI_MS = 400;
const CAPITAL_MS = 500;
const LETTER_MS = 160;
const OTHER_MS = 450;
const BLANK_MS = 100;
/** Every ten steps of speed double the tempo, or halve it (voice/speech/driver.ts). */
const STEPS_TO_DOUBLE = 10;

/** Upper bound of the speech made of `text`, as it is read aloud, at `speed` (-10 to 10), in milliseconds. */
export function expectedSpeechMs(text: string, speed: number): number {
  let ms = 0;
  for (const character of spokenText(text)) ms += characterMs(character);
  return Math.ceil(ms / 2 ** (speed / STEPS_TO_DOUBLE));
}

function characterMs(character: string): number {
  if (/\p{Script=Han}/u.test(character)) return HANZI_MS;
  if (character === ' ') return BLANK_MS;
  if (/[A-Z]/.test(character)) return CAPITAL_MS;
  return /[a-z]/.test(character) ? LETTER_MS : OTHER_MS;
}

const FIGURE_MS = 900;
const SIGN_MS = 1_600;
const PAUSES = '\n,.!?;:，。、！？；：';

/**
 * The same from the characters as they were written, each counted as long as it could become when read aloud ("%" is
 * four syllables). 3 µs instead of 100: good enough where the price comes out the same.
 */
export function roughSpeechMs(text: string, speed: number): number {
  let ms = 0;
  for (const character of text) ms += roughCharacterMs(character);
  return Math.ceil(ms / 2 ** (speed / STEPS_TO_DOUBLE));
}

function roughCharacterMs(character: string): number {
  if (character >= '0' && character <= '9') return FIGURE_MS;
  if (character >= 'a' && character <= 'z') return LETTER_MS;
  if (character >= 'A' && character <= 'Z') return CAPITAL_MS;
  if (character === ' ') return BLANK_MS;
  if (character >= '\u3400' && character <= '\u9fff') return HANZI_MS;
  return PAUSES.includes(character) ? OTHER_MS : SIGN_MS;
}

/** Seconds that a call may talk when one play of it takes `playMs`. */
export function longestCallSeconds(playMs: number, replay: Replay): number {
  return Math.min(MAX_CALL_SECONDS, Math.ceil((playsMs(playMs, replay) + TAIL_SILENCE_MS + MARGIN_MS) / 1000));
}

function playsMs(playMs: number, { mode, times }: Replay): number {
  switch (mode) {
    case 0:
      return playMs;
    case 1:
      return playMs * times + REPLAY_GAP_MS * (times - 1);
    case 2:
      return (playMs + REPLAY_LISTEN_MS) * (1 + times);
  }
}
