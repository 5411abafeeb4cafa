/**
 * The checks of send_voice that need nothing but the request (points 26 to 29), in the decided order: the first thing
 * wrong is the answer. Credentials are checked before; points, and the file that the voice_url leads to, after.
 */
import type { Msisdn } from './phone-number.ts';
import { undoDoubleEncodedUrl } from './text.ts';
import type { VoiceSendCode } from './voice-codes.ts';
import { mayCall, parsePhone } from './voice-phone.ts';

/** Parameters as text; undefined and empty are the same (point 3). `message` has been decoded for good. */
export interface VoiceParameters {
  type?: string | undefined;
  phone?: string | undefined;
  message?: string | undefined;
  voice?: string | undefined;
  speed?: string | undefined;
  vol?: string | undefined;
  voiceUrl?: string | undefined;
  response?: string | undefined;
  /** `replay` and `replay_times` are ours: the contract has codes for them but no parameters (point 28). */
  replay?: string | undefined;
  replayTimes?: string | undefined;
}

export interface VoiceRules {
  /** Whether the account may call abroad. */
  international: boolean;
  allowedPrefixes: readonly string[];
}

/** 0: once; 1: `times` times; 2: again, up to `times` times, when the callee presses 1. */
export interface Replay {
  mode: 0 | 1 | 2;
  times: number;
}

export type Voice = 1 | 2 | 3 | 4;

export interface ValidVoice {
  phone: Msisdn;
  body: string;
  /** Undefined for a recording. */
  speech: { voice: Voice; speed: number; volume: number } | undefined;
  /** Of a recording: as it came, undefined when it is missing (-12, which is judged last). */
  voiceUrl: string | undefined;
  replay: Replay;
  /** What can't be called back is dropped: the contract has no code for it (point 32). */
  response: string | undefined;
}

export type VoiceVerdict = { ok: true; call: ValidVoice } | { ok: false; code: VoiceSendCode };

const MAX_MESSAGE_CHARACTERS = 1_000;
const MAX_RESPONSE_CHARACTERS = 2_000;
const DEFAULT_VOLUME = 100;
const MAX_REPLAY_TIMES = 9;
const MAX_SPEED = 10;

export function validateVoice(parameters: VoiceParameters, rules: VoiceRules): VoiceVerdict {
  const type = parameters.type?.trim();
  if (type !== '1' && type !== '2') return refused('-5');
  const isSpeech = type === '1';
  const phone = parsePhone(parameters.phone ?? '');
  if (phone === undefined || !isAllowed(phone, rules)) return refused('-8');
  const body = parameters.message ?? '';
  if (Array.from(body).length > MAX_MESSAGE_CHARACTERS || (isSpeech && body.trim() === '')) return refused('-9');
  const speech = isSpeech ? readSpeech(parameters) : undefined;
  if (typeof speech === 'string') return refused(speech);
  const mode = integer(parameters.replay, 0, 2, 0);
  if (mode === undefined) return refused('-6');
  const times = integer(parameters.replayTimes, 1, MAX_REPLAY_TIMES, 1);
  if (times === undefined) return refused('-7');
  return {
    ok: true,
    call: {
      phone,
      body,
      speech,
      voiceUrl: isSpeech ? undefined : readUrl(parameters.voiceUrl),
      replay: { mode: mode as Replay['mode'], times },
      response: readUrl(parameters.response),
    },
  };
}

function refused(code: VoiceSendCode): VoiceVerdict {
  return { ok: false, code };
}

function isAllowed(phone: Msisdn, rules: VoiceRules): boolean {
  return mayCall(rules.allowedPrefixes, phone.e164) && (phone.domestic || rules.international);
}

function readSpeech(parameters: VoiceParameters): NonNullable<ValidVoice['speech']> | '-13' | '-14' | '-15' {
  const voice = integer(parameters.voice, 1, 4, 1);
  if (voice === undefined) return '-13';
  const speed = integer(parameters.speed, -MAX_SPEED, MAX_SPEED, 0);
  if (speed === undefined) return '-14';
  const volume = integer(parameters.vol, 0, DEFAULT_VOLUME, DEFAULT_VOLUME);
  if (volume === undefined) return '-15';
  return { voice: voice as Voice, speed, volume };
}

/**
 * `fallback` where there is none; undefined where it is no whole number in the range. A `+` may have become a blank.
 */
function integer(text: string | undefined, least: number, most: number, fallback: number): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (trimmed === '') return fallback;
  if (!/^[+-]?\d{1,4}$/.test(trimmed)) return undefined;
  const value = Number(trimmed);
  return value >= least && value <= most ? value + 0 : undefined;
}

/** An absolute http or https URL as the URL standard writes it; undefined for anything else. */
function readUrl(text: string | undefined): string | undefined {
  const url = URL.parse(undoDoubleEncodedUrl(text ?? '').trim());
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return undefined;
  url.hash = '';
  return url.href.length > MAX_RESPONSE_CHARACTERS ? undefined : url.href;
}
