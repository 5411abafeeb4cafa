/**
 * A driver for a speech service: the text is POSTed, a WAV comes back. The address is the operator's own, so the rules
 * for addresses that customers name do not hold here; redirects are not followed.
 */
import { Agent, request as httpRequest } from 'undici';
import { type SpeechDriver, SpeechFailure, type SpeechRequest } from './driver.ts';
import { SpeechLanes } from './lanes.ts';
import { toTelephoneInSlices } from './level.ts';
import { fillPlaceholders, mentionsVolume } from './placeholders.ts';
import { parseSpeechWav } from './wav.ts';

/** 10 minutes of 16 bits at 48,000 Hz. */
const DEFAULT_MAX_WAV_BYTES = 58_000_000;
const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_LANES = 4;
const DEFAULT_MAX_WAITING = 256;

export interface HttpSpeechOptions {
  /** `{voice}`, `{speed}` and `{volume}` are filled in, as in `http://tts.internal/say?speaker={voice}`. */
  url: string;
  timeoutMs?: number;
  maxWavBytes?: number;
  lanes?: number;
  maxWaiting?: number;
}

export class HttpSpeech implements SpeechDriver {
  readonly #options: HttpSpeechOptions;
  readonly #lanes: SpeechLanes;
  readonly #agent: Agent;
  readonly #stopping = new AbortController();

  constructor(options: HttpSpeechOptions) {
    const lanes = options.lanes ?? DEFAULT_LANES;
    this.#options = options;
    this.#lanes = new SpeechLanes({ lanes, maxWaiting: options.maxWaiting ?? DEFAULT_MAX_WAITING });
    this.#agent = new Agent({ connections: lanes });
  }

  synthesize(request: SpeechRequest): Promise<Int16Array> {
    return this.#lanes.run(async () => {
      const wav = parseSpeechWav(await this.#fetch(request));
      if (!wav.ok) throw new SpeechFailure('unusable-audio', `the speech service's answer: ${wav.reason}`);
      // A service that is told the volume applies it; 0 is silence whatever it does.
      const volume = mentionsVolume([this.#options.url]) && request.volume > 0 ? 100 : request.volume;
      return toTelephoneInSlices(wav.samples, { fromHz: wav.fromHz, gain: 1, volume });
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#lanes.stop();
    await this.#agent.destroy();
  }

  async #fetch(request: SpeechRequest): Promise<Buffer> {
    const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const { statusCode, body } = await httpRequest(fillPlaceholders(this.#options.url, request), {
        dispatcher: this.#agent,
        method: 'POST',
        headers: { 'content-type': 'text/plain; charset=utf-8', accept: 'audio/wav' },
        body: request.text,
        signal: AbortSignal.any([timeout, this.#stopping.signal]),
      });
      if (statusCode !== 200) {
        body.destroy();
        throw new SpeechFailure('crashed', `the speech service answered ${statusCode}`);
      }
      return await readBounded(body, this.#options.maxWavBytes ?? DEFAULT_MAX_WAV_BYTES);
    } catch (cause) {
      if (cause instanceof SpeechFailure) throw cause;
      if (this.#stopping.signal.aborted) throw new SpeechFailure('stopped', 'speech has been stopped', { cause });
      if (timeout.aborted) {
        throw new SpeechFailure('timed-out', `the speech service took longer than ${timeoutMs} ms`, { cause });
      }
      throw new SpeechFailure('crashed', 'the speech service could not be asked', { cause });
    }
  }
}

async function readBounded(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    // Leaving the loop destroys the stream and with it the connection.
    if (length > maxBytes)
      throw new SpeechFailure('unusable-audio', `the speech service sent more than ${maxBytes} bytes`);
  }
  return Buffer.concat(chunks);
}
