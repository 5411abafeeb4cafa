/**
 * The default driver: eSpeak NG in child processes of its own, over a protocol of ours, so that its crash, its hanging
 * and its licence (GPL-3) stay there. It says Chinese and English; how is in `espeak-plan.ts`.
 */
import { fileURLToPath } from 'node:url';
import { type SpeechDriver, SpeechFailure, type SpeechRequest } from './driver.ts';
import { espeakPlan } from './espeak-plan.ts';
import { EspeakProcess } from './espeak-process.ts';
import { SpeechLanes } from './lanes.ts';

const CHILD_FILE = fileURLToPath(new URL('./espeak-child.ts', import.meta.url));
/** 1,000 characters in words, at worst `7℃7℃…` in English: 11 for one. */
export const MAX_SPOKEN_CHARACTERS = 12_000;
const DEFAULT_TIMEOUT_MS = 15_000;
const DEFAULT_IDLE_MS = 300_000;
const DEFAULT_MAX_WAITING = 256;
const DEFAULT_PROCESSES = 1;

export interface EspeakSpeechOptions {
  /** Syntheses at a time; a process takes a core and 150 MB while it works. */
  processes?: number;
  timeoutMs?: number;
  idleMs?: number;
  maxWaiting?: number;
  /** Another program that speaks the child's protocol; for tests. */
  childFile?: string;
}

export class EspeakSpeech implements SpeechDriver {
  readonly #lanes: SpeechLanes;
  readonly #processes: readonly EspeakProcess[];
  readonly #idle: EspeakProcess[];

  constructor(options: EspeakSpeechOptions = {}) {
    const processes = options.processes ?? DEFAULT_PROCESSES;
    this.#lanes = new SpeechLanes({ lanes: processes, maxWaiting: options.maxWaiting ?? DEFAULT_MAX_WAITING });
    this.#processes = Array.from(
      { length: processes },
      () =>
        new EspeakProcess({
          childFile: options.childFile ?? CHILD_FILE,
          timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
          idleMs: options.idleMs ?? DEFAULT_IDLE_MS,
        }),
    );
    this.#idle = [...this.#processes];
  }

  /** Ids of the processes that live, for an operator who looks. */
  get pids(): number[] {
    return this.#processes.flatMap(({ pid }) => pid ?? []);
  }

  async synthesize(request: SpeechRequest): Promise<Int16Array> {
    if (request.text.length > MAX_SPOKEN_CHARACTERS) {
      throw new SpeechFailure('refused', `more than ${MAX_SPOKEN_CHARACTERS} characters to say`);
    }
    const pieces = espeakPlan(request);
    return await this.#lanes.run(async () => {
      // As many lanes as processes: one of them is idle. The last one used is the one that is warm.
      const process = this.#idle.pop();
      if (process === undefined) throw new Error('a lane without a process');
      try {
        return await process.run(pieces, request.volume);
      } finally {
        this.#idle.push(process);
      }
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.#lanes.stop(), ...this.#processes.map((process) => process.stop())]);
  }
}
