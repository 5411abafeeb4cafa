/**
 * How eSpeak NG says a text: its voice, pitch and rate for each of Feige's voices, and the text cut into pieces by
 * language, since one eSpeak voice reads one language well. Pure; the child process follows the plan.
 */
import { type SpeechRequest, type SpeechVoice, tempoOf } from './driver.ts';

/** One call of the synthesizer. */
export interface EspeakPiece {
  /** Language and variant, `cmn+f2`. */
  espeakVoice: string;
  /** 0 to 99, 50 being the variant's own pitch. */
  pitch: number;
  /** eSpeak's words a minute. */
  rate: number;
  /** Brings the voice to the common loudness. */
  gain: number;
  text: string;
  /** Silence after the piece. */
  pauseMs: number;
}

type Language = 'cmn' | 'en-us';

interface Setting {
  pitch: number;
  gain: number;
}

interface EspeakVoice {
  variant: string;
  cmn: Setting;
  'en-us': Setting;
}

// Pitch so that both languages have the same median F0 (measured at 8 kHz by autocorrelation), three semitones and more
// between voices: 204, 247, 167 and 104 Hz. Gain so that speech without its pauses has an RMS of 4,200 (−18 dBFS).
const VOICES: Readonly<Record<SpeechVoice, EspeakVoice>> = {
  1: { variant: 'f2', cmn: { pitch: 65, gain: 0.8 }, 'en-us': { pitch: 54, gain: 1.05 } },
  2: { variant: 'f5', cmn: { pitch: 75, gain: 0.94 }, 'en-us': { pitch: 68, gain: 1.2 } },
  3: { variant: 'f4', cmn: { pitch: 53, gain: 0.91 }, 'en-us': { pitch: 42, gain: 1.1 } },
  4: { variant: 'm3', cmn: { pitch: 60, gain: 0.96 }, 'en-us': { pitch: 48, gain: 1.24 } },
};

/** At speed 0: four and a half characters a second. Speed ±10 stays within eSpeak's 80 to 450. */
const USUAL_RATE = 175;

/** eSpeak's own pauses inside a text, at the usual rate; between pieces they are ours to make. */
const PAUSE_MS = { none: 50, comma: 220, stop: 370 } as const;

// A run of Latin words with the signs and blanks between and after them, or everything up to the next Latin letter.
const PIECE = /\p{Script=Latin}[\p{Script=Latin}\p{M}\s'’,.!?-]*|\P{Script=Latin}+/gu;

/** @param request whose text is `spokenText`, so without digits */
export function espeakPlan({ text, voice, speed }: SpeechRequest): EspeakPiece[] {
  const tempo = tempoOf(speed);
  const rate = Math.round(USUAL_RATE * tempo);
  const { variant, ...settings } = VOICES[voice];
  const pieces = mergeSigns(text.match(PIECE) ?? []);
  return pieces.map((piece, index) => {
    const language: Language = /\p{Script=Latin}/u.test(piece) ? 'en-us' : 'cmn';
    const isLast = index === pieces.length - 1;
    return {
      espeakVoice: `${language}+${variant}`,
      rate,
      ...settings[language],
      text: piece.trim(),
      pauseMs: isLast ? 0 : Math.round(pauseAfter(piece) / tempo),
    };
  });
}

/** Signs without a word belong to the piece before them, whose pause they make. */
function mergeSigns(parts: readonly string[]): string[] {
  const pieces: string[] = [];
  for (const part of parts) {
    const signs = /^[^\p{L}\p{N}]+/u.exec(part)?.[0] ?? '';
    if (pieces.length > 0) pieces[pieces.length - 1] += signs;
    const rest = part.slice(signs.length);
    if (rest !== '') pieces.push(rest);
  }
  return pieces;
}

function pauseAfter(piece: string): number {
  if (/[。.！!？?]\s*$/u.test(piece)) return PAUSE_MS.stop;
  return /[，,]\s*$/u.test(piece) ? PAUSE_MS.comma : PAUSE_MS.none;
}
