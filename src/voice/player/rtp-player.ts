/**
 * The main thread's handle for the thread that sends RTP. It opens streams, plays samples on them, and is told when
 * they end and which keys are pressed. If the thread dies, every stream ends with an error and another thread is
 * started; streams are not carried over, since their sockets are gone.
 */
import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { FeigeError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type {
  Connecting,
  Playing,
  StreamCounts,
  ThreadCommand,
  ThreadReport,
  ThreadSettings,
  ThreadStart,
} from './protocol.ts';
import { PacketSpacing } from './spacing.ts';

/** Measured for one thread; 2,000 streams were too many. */
const DEFAULT_MAX_STREAMS = 500;
const RESTART_PAUSE = { baseMs: 100, maxMs: 5_000 };
/** A thread that lived this long did not die of what ended the one before. */
const SOUND_LIFE_MS = 60_000;

export interface RtpStats {
  packetsSent: number;
  /** From the callee, telephone-events included; packets of strangers are not counted. */
  packetsReceived: number;
  /** On the clock given; undefined when nothing was received. */
  lastReceivedAtMs: number | undefined;
  /** Keys pressed, in order: `0`-`9`, `*`, `#`, `A`-`D`; at most 64. */
  digits: string;
}

/** Called for streams that are open; never after `close` was called. */
export interface RtpPlayerHandlers {
  /** The samples and the silence after them have been sent; silence goes on until `close`. */
  onFinished(streamId: number, stats: RtpStats): void;
  onDigit(streamId: number, digit: string): void;
  /** The stream is gone, nothing is sent any more and `close` is not needed. */
  onFailed(streamId: number, reason: string): void;
}

export interface RtpPlayerDependencies {
  clock: Clock;
  log: Logger;
  /** `address` is an IP address, or that of all: `0.0.0.0`, `::`. */
  bind: ThreadSettings;
  handlers: RtpPlayerHandlers;
  /** Streams at a time; 500 when absent. */
  maxStreams?: number;
}

export interface OpenStream {
  streamId: number;
  /** Local UDP port, even. */
  port: number;
}

interface PendingOpen {
  resolve(opened: OpenStream): void;
  reject(error: Error): void;
}

export class RtpPlayer {
  /** The spacing of everything it sends, on all streams and on every thread it has had. */
  readonly spacing = new PacketSpacing();
  readonly #dependencies: RtpPlayerDependencies;
  readonly #maxStreams: number;
  #worker: Worker | undefined;
  #stopped = false;
  #restart: NodeJS.Timeout | undefined;
  #deaths = 0;
  #lastStreamId = 0;
  readonly #opening = new Map<number, PendingOpen>();
  readonly #open = new Set<number>();
  readonly #closing = new Map<number, (stats: RtpStats | undefined) => void>();
  /** Shared copies, each for as long as its original lives. */
  readonly #shared = new WeakMap<Int16Array, Int16Array>();

  constructor(dependencies: RtpPlayerDependencies) {
    this.#dependencies = dependencies;
    this.#maxStreams = dependencies.maxStreams ?? DEFAULT_MAX_STREAMS;
  }

  /** Resolves when the thread runs. Once only; after a failure the player is stopped. */
  async start(): Promise<void> {
    assert.ok(this.#worker === undefined && !this.#stopped, 'a player is started once');
    try {
      await this.#launch();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Ends the thread. Streams still open end without a word; opens that wait are rejected, closes get `undefined`. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#restart);
    await this.#worker?.terminate();
    this.#forgetAll(new FeigeError('STOPPED', 'the RTP player has been stopped'));
  }

  /**
   * Binds a port. Nothing is sent before `connect` or `play`.
   * @throws FeigeError MEDIA_UNAVAILABLE when no stream or port is free or the thread is being restarted: try later
   */
  open(): Promise<OpenStream> {
    if (this.#stopped) return Promise.reject(new FeigeError('STOPPED', 'the RTP player has been stopped'));
    const streams = this.#open.size + this.#opening.size + this.#closing.size;
    if (this.#worker === undefined || streams >= this.#maxStreams) {
      const reason = this.#worker === undefined ? 'the RTP thread is down' : `${streams} streams are in use`;
      return Promise.reject(new FeigeError('MEDIA_UNAVAILABLE', reason));
    }
    this.#lastStreamId += 1;
    const streamId = this.#lastStreamId;
    return new Promise((resolve, reject) => {
      this.#opening.set(streamId, { resolve, reject });
      this.#post({ kind: 'open', streamId });
    });
  }

  /** Sends silence to the callee until something is played. Also when a re-INVITE moved, held or resumed the media. */
  connect(streamId: number, to: Connecting): void {
    if (this.#open.has(streamId)) this.#post({ kind: 'connect', streamId, to });
  }

  /**
   * Plays from the first sample on, in place of what was playing. The samples must not change afterwards; the same
   * array played on many streams is held in memory once. A stream that is gone is left alone.
   */
  play(streamId: number, playing: Playing): void {
    if (!this.#open.has(streamId)) return;
    this.#post({ kind: 'play', streamId, playing: { ...playing, samples: this.#share(playing.samples) } });
  }

  /** Ends a stream at once. `undefined` when it was gone already, or died before it could be asked. */
  close(streamId: number): Promise<RtpStats | undefined> {
    if (!this.#open.delete(streamId)) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#closing.set(streamId, resolve);
      this.#post({ kind: 'close', streamId });
    });
  }

  #post(command: ThreadCommand): void {
    this.#worker?.postMessage(command);
  }

  #share(samples: Int16Array): Int16Array {
    if (samples.buffer instanceof SharedArrayBuffer) return samples;
    let shared = this.#shared.get(samples);
    if (shared === undefined) {
      shared = new Int16Array(new SharedArrayBuffer(samples.byteLength));
      shared.set(samples);
      this.#shared.set(samples, shared);
    }
    return shared;
  }

  #launch(): Promise<void> {
    const worker = new Worker(new URL('./thread.ts', import.meta.url), {
      workerData: { settings: this.#dependencies.bind, spacing: this.spacing.memory } satisfies ThreadStart,
      name: 'rtp',
    });
    this.#worker = worker;
    const startedAtMs = performance.now();
    let fault: unknown;
    return new Promise((resolve, reject) => {
      worker.on('message', (report: ThreadReport) => {
        if (report.kind !== 'ready') {
          this.#take(report);
          return;
        }
        this.#dependencies.log.debug({ hurries: report.hurries }, 'the RTP thread runs');
        resolve();
      });
      worker.on('error', (error) => {
        fault = error;
      });
      worker.on('exit', (code) => {
        const lifeMs = performance.now() - startedAtMs;
        this.#died(fault ?? new Error(`exit code ${code}`), lifeMs);
        reject(new FeigeError('MEDIA_UNAVAILABLE', 'the RTP thread did not start', { cause: fault }));
      });
    });
  }

  #take(report: Exclude<ThreadReport, { kind: 'ready' }>): void {
    const { streamId } = report;
    switch (report.kind) {
      case 'opened':
      case 'not-opened':
        this.#takeOpening(report);
        return;
      case 'closed':
        this.#closing.get(streamId)?.(this.#stats(report.counts));
        this.#closing.delete(streamId);
        return;
      case 'finished':
        if (this.#open.has(streamId)) this.#dependencies.handlers.onFinished(streamId, this.#stats(report.counts));
        return;
      case 'digit':
        if (this.#open.has(streamId)) this.#dependencies.handlers.onDigit(streamId, report.digit);
        return;
      case 'failed':
        this.#closing.get(streamId)?.(undefined);
        this.#closing.delete(streamId);
        if (this.#open.delete(streamId)) this.#dependencies.handlers.onFailed(streamId, report.reason);
        return;
    }
  }

  #takeOpening(report: Extract<ThreadReport, { kind: 'opened' | 'not-opened' }>): void {
    const { streamId } = report;
    const pending = this.#opening.get(streamId);
    this.#opening.delete(streamId);
    if (report.kind === 'opened') {
      this.#open.add(streamId);
      pending?.resolve({ streamId, port: report.port });
    } else {
      pending?.reject(new FeigeError('MEDIA_UNAVAILABLE', report.reason));
    }
  }

  #stats(counts: StreamCounts): RtpStats {
    const { lastReceivedAgoMs, ...rest } = counts;
    const nowMs = this.#dependencies.clock.now();
    const lastReceivedAtMs = lastReceivedAgoMs === undefined ? undefined : Math.round(nowMs - lastReceivedAgoMs);
    return { ...rest, lastReceivedAtMs };
  }

  #died(fault: unknown, lifeMs: number): void {
    this.#worker = undefined;
    if (this.#stopped) return;
    const { handlers, log } = this.#dependencies;
    const failed = [...this.#open];
    this.#forgetAll(new FeigeError('MEDIA_UNAVAILABLE', 'the RTP thread died', { cause: fault }));
    this.#deaths = lifeMs >= SOUND_LIFE_MS ? 1 : this.#deaths + 1;
    const pauseMs = backoffMs(this.#deaths, RESTART_PAUSE);
    log.error({ err: fault, streams: failed.length, lifeMs, pauseMs }, 'the RTP thread died and is started again');
    this.#restart = setTimeout(() => this.#relaunch(), pauseMs);
    for (const streamId of failed) handlers.onFailed(streamId, 'the RTP thread died');
  }

  #relaunch(): void {
    // If it fails, `#died` is called and tries again.
    this.#launch().catch(() => undefined);
  }

  /** No stream outlives its thread. */
  #forgetAll(reason: FeigeError): void {
    this.#open.clear();
    for (const pending of this.#opening.values()) pending.reject(reason);
    this.#opening.clear();
    for (const resolve of this.#closing.values()) resolve(undefined);
    this.#closing.clear();
  }
}
