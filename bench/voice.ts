/** The voice product's speed: acceptance, call set-ups, talking calls, the news of their end, and speech. */
import type { RunOptions } from './accept.ts';
import { Peer } from './peer.ts';
import { processorSeconds } from './processor-time.ts';
import type { SpeechOrder, SpeechReport } from './speech-process.ts';
import { benchCallAcceptance, type CallAcceptResult } from './voice-accept.ts';
import { benchCalls, type CallsResult } from './voice-calls.ts';

const SPEECH_WARM_UP_MS = 2_000;

export interface SpeechResult {
  readonly texts: number;
  /** Seconds of speech made in a second of processor time, of all processes that took part. */
  readonly perProcessorSecond: number;
  readonly perSecond: number;
}

export interface VoiceResult extends CallsResult {
  readonly accept: CallAcceptResult;
  readonly speech: SpeechResult;
  /** Calls and packets. */
  readonly lost: number;
}

/** `options.seconds` are those of each of its five parts. Leaves nothing behind, whether it resolves or rejects. */
export async function benchVoice(options: RunOptions): Promise<VoiceResult> {
  const accept = await benchCallAcceptance(options);
  const calls = await benchCalls(options);
  const speech = await benchSpeech(options);
  const { busy, answered, talking } = calls;
  return { accept, ...calls, speech, lost: busy.lost + answered.lost + talking.lost + talking.packetsLost };
}

async function benchSpeech({ seconds, signal }: RunOptions): Promise<SpeechResult> {
  const peer = new Peer<SpeechOrder, SpeechReport>(new URL('./speech-process.ts', import.meta.url));
  const used = (): number => processorSeconds(peer.processId, { children: true });
  const speak = async (durationMs: number): Promise<SpeechReport> => {
    peer.order({ kind: 'speak', durationMs });
    return peer.report('spoken', signal);
  };
  try {
    await speak(SPEECH_WARM_UP_MS);
    const before = used();
    const { texts, speechSeconds, tookMs } = await speak(seconds * 1_000);
    return {
      texts,
      perProcessorSecond: Math.round(speechSeconds / (used() - before)),
      perSecond: Math.round(speechSeconds / (tookMs / 1_000)),
    };
  } finally {
    await peer.stop();
  }
}
