/**
 * A driver for any program: text on its standard input, a WAV on its standard output. It runs without a shell, with an
 * environment of its own, bounded in time and size; a group of processes is ended as a whole.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { type SpeechDriver, SpeechFailure, type SpeechRequest } from './driver.ts';
import { SpeechLanes } from './lanes.ts';
import { toTelephoneInSlices } from './level.ts';
import { fillPlaceholders, mentionsVolume } from './placeholders.ts';
import { parseSpeechWav } from './wav.ts';

/** 10 minutes of 16 bits at 48,000 Hz. */
const DEFAULT_MAX_WAV_BYTES = 58_000_000;
const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_LANES = 2;
const DEFAULT_MAX_WAITING = 256;
const DEFAULT_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
};

export interface CommandSpeechOptions {
  /** Program and arguments; `{voice}`, `{speed}` and `{volume}` in an argument are filled in. */
  command: readonly string[];
  /** All that the program sees; not Feige's own environment, which holds its secrets. */
  environment?: Readonly<Record<string, string>>;
  timeoutMs?: number;
  maxWavBytes?: number;
  lanes?: number;
  maxWaiting?: number;
}

/** A configured line as program and arguments: split at blanks, `"…"` and `'…'` keep theirs, no other shell syntax. */
export function splitCommand(line: string): string[] {
  const words = line.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ''),
  );
}

export class CommandSpeech implements SpeechDriver {
  readonly #options: CommandSpeechOptions;
  readonly #lanes: SpeechLanes;
  readonly #running = new Map<ChildProcess, (failure: SpeechFailure) => void>();

  constructor(options: CommandSpeechOptions) {
    this.#options = options;
    this.#lanes = new SpeechLanes({
      lanes: options.lanes ?? DEFAULT_LANES,
      maxWaiting: options.maxWaiting ?? DEFAULT_MAX_WAITING,
    });
  }

  synthesize(request: SpeechRequest): Promise<Int16Array> {
    return this.#lanes.run(async () => {
      const wav = parseSpeechWav(await this.#runProgram(request));
      if (!wav.ok) throw new SpeechFailure('unusable-audio', `the speech program's output: ${wav.reason}`);
      // A program that is told the volume applies it; 0 is silence whatever it does.
      const volume = mentionsVolume(this.#options.command) && request.volume > 0 ? 100 : request.volume;
      return toTelephoneInSlices(wav.samples, { fromHz: wav.fromHz, gain: 1, volume });
    });
  }

  async stop(): Promise<void> {
    for (const [child, fail] of this.#running) {
      fail(new SpeechFailure('stopped', 'speech has been stopped'));
      killGroup(child);
    }
    await this.#lanes.stop();
  }

  async #runProgram(request: SpeechRequest): Promise<Buffer> {
    const [program = '', ...args] = this.#options.command.map((argument) => fillPlaceholders(argument, request));
    const child = spawn(program, args, {
      env: { ...(this.#options.environment ?? DEFAULT_ENVIRONMENT) },
      stdio: ['pipe', 'pipe', 'ignore'],
      // A group of its own, so that what a wrapper script started ends with it.
      detached: true,
    });
    const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    let timer: NodeJS.Timeout | undefined;
    const failed = new Promise<never>((_, reject) => {
      this.#running.set(child, reject);
      timer = setTimeout(() => {
        reject(new SpeechFailure('timed-out', `the speech program took longer than ${timeoutMs} ms`));
      }, timeoutMs);
      child.once('error', (cause) => {
        reject(new SpeechFailure('crashed', `the speech program could not be run`, { cause }));
      });
    });
    // A program may read no input; what it does then shows in its output and its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(request.text);
    try {
      return await Promise.race([failed, outputOf(child, this.#options.maxWavBytes ?? DEFAULT_MAX_WAV_BYTES)]);
    } finally {
      clearTimeout(timer);
      this.#running.delete(child);
      killGroup(child);
    }
  }
}

async function outputOf(child: ChildProcess, maxBytes: number): Promise<Buffer> {
  // Not events.once, which an error of the child would reject while nobody looks.
  const closed = new Promise<number | string | null>((resolve) => {
    child.once('close', (code, signal) => resolve(signal ?? code));
  });
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBytes)
      throw new SpeechFailure('unusable-audio', `the speech program wrote more than ${maxBytes} bytes`);
  }
  const ending = await closed;
  if (ending !== 0) throw new SpeechFailure('crashed', `the speech program ended with ${ending}`);
  return Buffer.concat(chunks);
}

/** ESRCH: all gone already. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}
