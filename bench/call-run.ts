/**
 * A load of calls on a platform: requests with a recording, callbacks to servers of the customers' own, and at the end
 * the look for every single call that was accepted. The number of calls under way is bounded, so no queue can grow.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Arrival } from './callback-sink.ts';
import { readFinalCallStates } from './final-call-states.ts';
import type { LoadResult } from './load.ts';
import type { LoadOrder, LoadReport } from './load-process.ts';
import { MsgidSet } from './msgid-set.ts';
import { Peer } from './peer.ts';
import type { PlatformUnderTest } from './platform-under-test.ts';
import { processorSeconds } from './processor-time.ts';
import { recordingFile } from './recording-file.ts';
import type { SinkOrder, SinkReport } from './sink-process.ts';
import type { Telephone } from './telephone.ts';

/** The platform fetches 16 recordings at a time and lets 100 requests wait for that. */
const CONNECTIONS = 64;
/** After the last request: as long as callbacks still come. */
const DRAIN_PATIENCE_MS = 20_000;
const DRAIN_LOOK_MS = 50;

export interface CallSite {
  readonly platform: PlatformUnderTest;
  readonly telephone: Telephone;
  readonly signal: AbortSignal;
}

export interface CallPlan {
  readonly recordingSeconds: number;
  /** All calls go there; absent: each to a number of its own. */
  readonly recipient: string | undefined;
  /** How they are to end. */
  readonly state: 'FarEnd' | 'Busy';
  readonly maxOutstanding: number;
}

export const PROCESSES = ['platform', 'postgres', 'telephone', 'load', 'sink'] as const;
export type ProcessSeconds = Readonly<Record<(typeof PROCESSES)[number], number>>;

export interface CallMoment {
  readonly atMs: number;
  /** Called back. */
  readonly ended: number;
  readonly processorSeconds: ProcessSeconds;
}

export interface CallVerdict {
  readonly accepted: number;
  /** Accepted and not called back as they were to end, or without an end in the database. */
  readonly lost: number;
  readonly others: Readonly<Record<string, number>>;
  readonly unexpectedCallbacks: number;
  readonly ledgerMismatches: number;
}

export class CallRun {
  readonly #site: CallSite;
  readonly #plan: CallPlan;
  readonly #load = new Peer<LoadOrder, LoadReport>(new URL('./load-process.ts', import.meta.url));
  readonly #sink = new Peer<SinkOrder, SinkReport>(new URL('./sink-process.ts', import.meta.url));
  #ended = 0;

  constructor(site: CallSite, plan: CallPlan) {
    this.#site = site;
    this.#plan = plan;
    this.#sink.onReport((report) => {
      if (report.kind !== 'count') return;
      this.#ended = report.delivered;
      this.#load.order({ kind: 'called-back', total: this.#ended });
    });
  }

  /** Begins to send requests. */
  async start(): Promise<void> {
    const { platform, signal } = this.#site;
    const { recordingSeconds, recipient, state, maxOutstanding } = this.#plan;
    const { host, port, accounts } = platform;
    const recording = recordingFile(recordingSeconds);
    const plan = { expected: `status=${state}`, recording, notesArrivals: recipient === undefined };
    this.#sink.order({ kind: 'listen', ports: accounts.length, plan });
    const { ports } = await this.#sink.report('listening', signal);
    const customers = accounts.map((account, index) => ({
      ...account,
      drurl: `http://127.0.0.1:${ports[index]}/calls?customer=${account.username}`,
      voiceUrl: `http://127.0.0.1:${ports[index]}/recording.wav`,
    }));
    const limits = { connections: CONNECTIONS, maxOutstanding, ...(recipient !== undefined && { recipient }) };
    this.#load.order({ kind: 'start', plan: { kind: 'play', host, port, customers, ...limits } });
  }

  async moment(): Promise<CallMoment> {
    const { platform, telephone } = this.#site;
    const alone = { children: false };
    return {
      atMs: performance.now(),
      ended: this.#ended,
      processorSeconds: {
        platform: processorSeconds(platform.processId, alone),
        postgres: processorSeconds(platform.postgresProcessId, { children: true }),
        telephone: processorSeconds(telephone.processId, alone),
        load: processorSeconds(this.#load.processId, alone),
        sink: processorSeconds(this.#sink.processId, alone),
      },
    };
  }

  /** Sends nothing more; resolves when all that was accepted was called back, or nothing came for a while. */
  async drain(): Promise<LoadResult> {
    const { signal } = this.#site;
    this.#load.order({ kind: 'stop' });
    const { result } = await this.#load.report('result', signal);
    let last = this.#ended;
    let lastCameMs = performance.now();
    while (last < result.good && performance.now() - lastCameMs < DRAIN_PATIENCE_MS) {
      await pause(DRAIN_LOOK_MS, undefined, { signal });
      if (this.#ended === last) continue;
      last = this.#ended;
      lastCameMs = performance.now();
    }
    return result;
  }

  /** What became of the calls, after `drain`, and when which was called back. */
  async judge(result: LoadResult): Promise<{ verdict: CallVerdict; arrivals: readonly Arrival[] }> {
    const { platform, signal } = this.#site;
    this.#sink.order({ kind: 'result' });
    const { delivered, unexpected, arrivals } = await this.#sink.report('result', signal);
    const calledBack = new MsgidSet(delivered);
    const { withoutEnd, ledgerMismatches } = await readFinalCallStates(platform.database);
    let lost = 0;
    for (const msgid of new MsgidSet(result.msgids)) {
      if (!calledBack.has(msgid) || withoutEnd.has(msgid)) lost++;
    }
    const { good: accepted, others } = result;
    return { verdict: { accepted, lost, others, unexpectedCallbacks: unexpected, ledgerMismatches }, arrivals };
  }

  async stop(): Promise<void> {
    await this.#load.stop();
    await this.#sink.stop();
  }
}

/** Processor microseconds of each process for each call that ended between two moments. */
export function microsecondsEach(start: CallMoment, end: CallMoment): ProcessSeconds {
  const calls = Math.max(1, end.ended - start.ended);
  return perProcess(start, end, (seconds) => Math.round((seconds * 1e6) / calls));
}

/** Processor time of each process between two moments, in percent of one core. */
export function coreShares(start: CallMoment, end: CallMoment): ProcessSeconds {
  const tookSeconds = (end.atMs - start.atMs) / 1_000;
  return perProcess(start, end, (seconds) => Math.round((seconds / tookSeconds) * 100));
}

function perProcess(start: CallMoment, end: CallMoment, of: (seconds: number) => number): ProcessSeconds {
  const used = (name: keyof ProcessSeconds): number => of(end.processorSeconds[name] - start.processorSeconds[name]);
  return {
    platform: used('platform'),
    postgres: used('postgres'),
    telephone: used('telephone'),
    load: used('load'),
    sink: used('sink'),
  };
}
