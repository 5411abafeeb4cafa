/**
 * One child process with eSpeak NG, seen from Feige: started at its first job, killed when a job takes too long, gone
 * after a while without work. Whatever happens to it fails the one job it had.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { SpeechFailure } from './driver.ts';
import type { EspeakPiece } from './espeak-plan.ts';
import type { EspeakAnswer, EspeakJob } from './espeak-protocol.ts';

export interface EspeakProcessOptions {
  /** The program of the child. */
  childFile: string;
  /** For a job besides the time for its characters, the start of the process included. */
  timeoutMs: number;
  /** An idle process holds about 150 MB; after this it is ended. */
  idleMs: number;
}

interface Current {
  job: number;
  resolve(samples: Int16Array): void;
  reject(failure: SpeechFailure): void;
}

/** Measured: 0.7 ms a character at speed 0, 2.5 ms in English at speed −10; the rest is for a busy machine. */
const TIMEOUT_PER_CHARACTER_MS = 10;

export class EspeakProcess {
  readonly #options: EspeakProcessOptions;
  #child: ChildProcess | undefined;
  #ready: Promise<void> | undefined;
  #current: Current | undefined;
  #jobs = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(options: EspeakProcessOptions) {
    this.#options = options;
  }

  /** The process id while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** One at a time. */
  async run(pieces: EspeakPiece[], volume: number): Promise<Int16Array> {
    clearTimeout(this.#idleTimer);
    const job = ++this.#jobs;
    const answered = new Promise<Int16Array>((resolve, reject) => {
      this.#current = { job, resolve, reject };
    });
    const characters = pieces.reduce((sum, { text }) => sum + text.length, 0);
    const timeoutMs = this.#options.timeoutMs + characters * TIMEOUT_PER_CHARACTER_MS;
    const timer = setTimeout(() => {
      this.#end(new SpeechFailure('timed-out', `eSpeak NG took longer than ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      this.#begin({ job, pieces, volume });
      return await answered;
    } finally {
      clearTimeout(timer);
      this.#current = undefined;
      this.#idleTimer = setTimeout(() => this.#end(), this.#options.idleMs).unref();
    }
  }

  /** Resolves when the process is gone. */
  async stop(): Promise<void> {
    clearTimeout(this.#idleTimer);
    const child = this.#child;
    this.#end(new SpeechFailure('stopped', 'speech has been stopped'));
    if (child !== undefined && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  /** Sends the job as soon as the child is ready; a failure comes as `#end`. */
  #begin(job: EspeakJob): void {
    const child = this.#child ?? this.#start();
    void this.#ready?.then(() => {
      if (this.#child === child && this.#current?.job === job.job) child.send(job);
    });
  }

  #start(): ChildProcess {
    const child = fork(this.#options.childFile, [], {
      execPath: process.execPath,
      execArgv: [],
      // Nothing of ours: no database address, no keys.
      env: {},
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child = child;
    this.#ready = new Promise((resolve) => {
      child.on('message', (message) => {
        if (this.#child !== child) return;
        const answer = message as EspeakAnswer;
        if (answer.kind === 'ready') resolve();
        else this.#settle(answer);
      });
    });
    const lost = (cause: string): void => {
      if (this.#child === child) this.#end(new SpeechFailure('crashed', `eSpeak NG's process ${cause}`));
    };
    child.on('error', (error) => lost(error.message));
    child.on('exit', (code, signal) => lost(`ended with ${signal ?? code}`));
    return child;
  }

  #settle(answer: Exclude<EspeakAnswer, { kind: 'ready' }>): void {
    if (this.#current?.job !== answer.job) return;
    if (answer.kind === 'made') this.#current.resolve(answer.samples);
    // A synthesizer that threw may be in any state: the next job gets a fresh one.
    else this.#end(new SpeechFailure('crashed', `eSpeak NG failed: ${answer.reason}`));
  }

  /** Kills the child, if any, and fails what it was doing. SIGKILL: it may be hanging in WebAssembly. */
  #end(failure = new SpeechFailure('stopped', 'idle')): void {
    const child = this.#child;
    this.#child = undefined;
    this.#ready = undefined;
    child?.kill('SIGKILL');
    this.#current?.reject(failure);
  }
}
