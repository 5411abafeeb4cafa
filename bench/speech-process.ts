/** The speech engine that comes with Feige, kept busy for a while, in a process whose children can be counted. */
import { SPEECH_RATE_HZ, type SpeechDriver, type SpeechVoice } from '../src/voice/speech/driver.ts';
import { openSpeech } from '../src/voice/speech/open.ts';

export type SpeechOrder = { readonly kind: 'speak'; readonly durationMs: number };
export type SpeechReport = {
  readonly kind: 'spoken';
  readonly texts: number;
  readonly speechSeconds: number;
  readonly tookMs: number;
};

/** As many as the machine's cores could serve; more wait in line. */
const AT_ONCE = 4;
const TEXTS = [
  (number: number) => `您的驗證碼是 ${number}，請於十分鐘內輸入，切勿告訴他人。`,
  (number: number) => `Your code is ${number}. It is valid for ten minutes.`,
  (number: number) => `王先生您好，您預約 3 月 ${(number % 28) + 1} 日下午 2 點的門診，請準時報到，謝謝。`,
  (number: number) => `Feige 提醒您：訂單 ${number} 已出貨，金額 NT$1,280 元。`,
];
const VOICES = [1, 2, 3, 4] as const satisfies readonly SpeechVoice[];

/** Texts that were all different, so that no cache could help. */
async function speakFor(driver: SpeechDriver, durationMs: number): Promise<Omit<SpeechReport, 'kind'>> {
  const startedMs = performance.now();
  let texts = 0;
  let samples = 0;
  const speak = async (): Promise<void> => {
    while (performance.now() - startedMs < durationMs) {
      const number = texts++;
      const text = TEXTS[number % TEXTS.length]?.(100_000 + number) ?? '';
      const voice = VOICES[Math.floor(number / TEXTS.length) % VOICES.length] ?? 1;
      samples += (await driver.synthesize({ text, voice, speed: 0, volume: 100 })).length;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, speak));
  return { texts, speechSeconds: samples / SPEECH_RATE_HZ, tookMs: performance.now() - startedMs };
}

function follow(): void {
  const driver = openSpeech({ driver: 'espeak' }, { cacheBytes: 0 });
  process.on('message', ({ durationMs }: SpeechOrder) => {
    void speakFor(driver, durationMs).then((spoken) => process.send?.({ kind: 'spoken', ...spoken }));
  });
  process.on('SIGINT', () => {});
  process.on('disconnect', () => void driver.stop().then(() => process.exit()));
}

if (import.meta.main) follow();
