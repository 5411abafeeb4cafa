/**
 * The program of the child process: the only file that loads eSpeak NG (WebAssembly, GPL-3). It takes one job at a time
 * from the IPC channel and answers 8,000 Hz samples; it leaves with its parent, in the middle of a job as well.
 */
import { constants, setPriority } from 'node:os';
import type { EspeakPiece } from './espeak-plan.ts';
import type { EspeakAnswer, EspeakJob } from './espeak-protocol.ts';
import { toTelephone } from './level.ts';

const PACKAGE = '@echogarden/espeak-ng-emscripten';
const OUTPUT_HZ = 8000;
/** 20 minutes: four times what the longest message takes at the usual speed. */
const MAX_OUTPUT_SAMPLES = 20 * 60 * OUTPUT_HZ;
/** Quieter than this, at either end of a piece, is silence; the planned pauses replace it. */
const SILENCE_LEVEL = 48;
const KEPT_SILENCE_SAMPLES = 0.02 * OUTPUT_HZ;

/** What is used of the package, which comes without types. */
interface Synthesizer {
  set_voice(name: string, language: string, gender: number, age: number, variant: number): number;
  set_pitch(pitch: number): void;
  set_rate(wordsAMinute: number): void;
  get_samplerate(): number;
  /** The callback gets samples as they are made; true ends the synthesis. */
  synthesize(text: string, onSamples: (samples: Int16Array) => boolean): void;
}
interface EspeakModule {
  eSpeakNGWorker: new () => Synthesizer;
}
type LoadEspeak = (options: {
  locateFile(name: string): string;
  print(): void;
  printErr(): void;
}) => Promise<EspeakModule>;

const parentId = process.ppid;

process.on('disconnect', () => process.exit(0));
// Speech can wait; packets of running calls can't.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
const synthesizer = await load();
process.on('message', (message) => answer(message as EspeakJob));
send({ kind: 'ready' });

async function load(): Promise<Synthesizer> {
  const entry = import.meta.resolve(PACKAGE);
  const { default: loadEspeak } = (await import(entry)) as { default: LoadEspeak };
  const { fileURLToPath } = await import('node:url');
  const espeak = await loadEspeak({
    locateFile: (name) => fileURLToPath(new URL(name, entry)),
    print: () => undefined,
    printErr: () => undefined,
  });
  return new espeak.eSpeakNGWorker();
}

function send(message: EspeakAnswer): void {
  process.send?.(message);
}

function answer({ job, pieces, volume }: EspeakJob): void {
  try {
    const parts = pieces.flatMap((piece) => [speak(piece, volume), new Int16Array((piece.pauseMs * OUTPUT_HZ) / 1000)]);
    send({ kind: 'made', job, samples: joined(parts) });
  } catch (error) {
    send({ kind: 'failed', job, reason: error instanceof Error ? error.message : String(error) });
  }
}

function speak({ espeakVoice, pitch, rate, gain, text }: EspeakPiece, volume: number): Int16Array {
  if (synthesizer.set_voice(espeakVoice, '', 0, 0, 0) !== 0) throw new Error(`no voice ${espeakVoice}`);
  synthesizer.set_pitch(pitch);
  synthesizer.set_rate(rate);
  const fromHz = synthesizer.get_samplerate();
  const most = (MAX_OUTPUT_SAMPLES / OUTPUT_HZ) * fromHz;
  const chunks: Int16Array[] = [];
  let length = 0;
  synthesizer.synthesize(text, (samples) => {
    // Nobody would hear of a lost parent before the job is done.
    if (process.ppid !== parentId) process.exit(0);
    chunks.push(samples);
    length += samples.length;
    return length > most;
  });
  if (length > most) throw new Error('the speech is too long');
  return withoutSilentEnds(toTelephone(joined(chunks), { fromHz, gain, volume }));
}

function withoutSilentEnds(samples: Int16Array): Int16Array {
  let begin = 0;
  while (begin < samples.length && Math.abs(samples[begin] ?? 0) < SILENCE_LEVEL) begin++;
  let end = samples.length;
  while (end > begin && Math.abs(samples[end - 1] ?? 0) < SILENCE_LEVEL) end--;
  return samples.subarray(
    Math.max(0, begin - KEPT_SILENCE_SAMPLES),
    Math.min(samples.length, end + KEPT_SILENCE_SAMPLES),
  );
}

function joined(parts: readonly Int16Array[]): Int16Array {
  const whole = new Int16Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
