/**
 * The speech of a node, as configured: text made speakable, then the cache, then the driver. What comes in is what the
 * customer wrote; what comes out is ready for a call.
 */
import { spokenText } from '../../domain/spoken-text.ts';
import { SpeechCache } from './cache.ts';
import { CommandSpeech, splitCommand } from './command.ts';
import { SPEECH_RATE_HZ, SPEECH_VOICES, type SpeechDriver, SpeechFailure, type SpeechRequest } from './driver.ts';
import { EspeakSpeech } from './espeak.ts';
import { HttpSpeech } from './http.ts';

/** Point 27 of the specification's decisions: what is longer was answered -9. */
export const MAX_MESSAGE_CHARACTERS = 1000;
const MAX_SPEED = 10;
const MAX_VOLUME = 100;
/** What a callee hears of a message without a single word. */
const WORDLESS_MS = 500;

export type SpeechChoice =
  | { driver: 'espeak'; processes?: number }
  | { driver: 'command'; command: string; environment?: Readonly<Record<string, string>> }
  | { driver: 'http'; url: string };

/** @param options.cacheBytes 0 keeps nothing */
export function openSpeech(choice: SpeechChoice, options: { cacheBytes: number }): SpeechDriver {
  const { driver, engine } = openDriver(choice);
  return spoken(new SpeechCache({ driver, engine, maxBytes: options.cacheBytes }));
}

function openDriver(choice: SpeechChoice): { driver: SpeechDriver; engine: string } {
  switch (choice.driver) {
    case 'espeak':
      return { driver: new EspeakSpeech(choice), engine: 'espeak' };
    case 'command': {
      const { environment } = choice;
      const command = splitCommand(choice.command);
      const driver = new CommandSpeech({ command, ...(environment === undefined ? {} : { environment }) });
      return { driver, engine: `command ${choice.command}` };
    }
    case 'http':
      return { driver: new HttpSpeech({ url: choice.url }), engine: `http ${choice.url}` };
  }
}

/** A driver for messages as they were written, before one for texts as they are said. */
function spoken(driver: SpeechDriver): SpeechDriver {
  return {
    async synthesize(request) {
      check(request);
      const text = spokenText(request.text);
      if (text === '') return new Int16Array((WORDLESS_MS * SPEECH_RATE_HZ) / 1000);
      return await driver.synthesize({ ...request, text });
    },
    stop: () => driver.stop(),
  };
}

function check({ text, voice, speed, volume }: SpeechRequest): void {
  // Code points, the cheap way where it is enough.
  const isTooLong = text.length > MAX_MESSAGE_CHARACTERS && Array.from(text).length > MAX_MESSAGE_CHARACTERS;
  if (isTooLong) throw new SpeechFailure('refused', `more than ${MAX_MESSAGE_CHARACTERS} characters`);
  const isInRange = Math.abs(speed) <= MAX_SPEED && volume >= 0 && volume <= MAX_VOLUME;
  if (!isInRange || !SPEECH_VOICES.includes(voice)) {
    throw new SpeechFailure('refused', `voice ${voice}, speed ${speed}, volume ${volume}`);
  }
}
