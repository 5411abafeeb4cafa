/**
 * How many messages a second go the whole way: request, commit, SMPP, receipt, final state, callback. The number of
 * messages on the way is bounded, so the load follows what the platform carries and no queue can grow; at the end
 * every single one that was accepted is looked for.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { RunOptions } from './accept.ts';
import { DELIVERED_MESSAGES } from './callback-sink.ts';
import { readFinalStates } from './final-states.ts';
import { Latencies } from './latencies.ts';
import type { LoadResult } from './load.ts';
import type { LoadOrder, LoadReport } from './load-process.ts';
import { MsgidSet } from './msgid-set.ts';
import { Peer } from './peer.ts';
import { type PlatformUnderTest, startPlatformUnderTest } from './platform-under-test.ts';
import { peakResidentMiB, processorSeconds } from './processor-time.ts';
import type { SinkOrder, SinkReport } from './sink-process.ts';

/** Each with a callback server of its own, as customers have. */
const ACCOUNTS = 8;
const CONNECTIONS = 512;
/** A message is about half a second on the way, of which the operator's receipt takes 200 ms. */
const MAX_OUTSTANDING = 8_000;
const WARM_UP_MS = 10_000;
/** After the last request: as long as callbacks still come. */
const DRAIN_PATIENCE_MS = 20_000;
const DRAIN_LOOK_MS = 50;

type ProcessName = 'platform' | 'postgres' | 'simulator' | 'load' | 'sink';

export interface PipelineResult {
  readonly deliveredPerSecond: number;
  readonly acceptedPerSecond: number;
  /** Accepted messages that were not called back as DELIVRD, or are not DELIVRD in the database. */
  readonly lost: number;
  /** The most that the platform's process had resident. */
  readonly rssMiB: number;
  /** Messages between their request and their callback, when the measurement began and when it ended. */
  readonly onTheWay: readonly [number, number];
  readonly accepted: number;
  readonly requestP50Ms: number;
  readonly requestP99Ms: number;
  /** Answers other than 00000, by code. */
  readonly others: Readonly<Record<string, number>>;
  /** Callbacks that came again or told of another state. */
  readonly unexpectedCallbacks: number;
  readonly ledgerMismatches: number;
  /** Processor time that a delivered message took. */
  readonly microsecondsEach: Readonly<Record<ProcessName, number>>;
}

interface Bench {
  readonly platform: PlatformUnderTest;
  readonly load: Peer<LoadOrder, LoadReport>;
  readonly sink: Peer<SinkOrder, SinkReport>;
  readonly signal: AbortSignal;
  /** What the sink told last. */
  readonly delivered: () => number;
}

interface Moment {
  readonly atMs: number;
  readonly accepted: number;
  readonly delivered: number;
  readonly processorSeconds: Readonly<Record<ProcessName, number>>;
}

/** Rejects when something does not come up, or when the signal is aborted; leaves nothing behind either way. */
export async function benchPipeline(options: RunOptions): Promise<PipelineResult> {
  const { signal, profileTo } = options;
  const platform = await startPlatformUnderTest({ accounts: ACCOUNTS, operatorUp: true, profileTo, signal });
  const load = new Peer<LoadOrder, LoadReport>(new URL('./load-process.ts', import.meta.url));
  const sink = new Peer<SinkOrder, SinkReport>(new URL('./sink-process.ts', import.meta.url));
  let delivered = 0;
  sink.onReport((report) => {
    if (report.kind !== 'count') return;
    delivered = report.delivered;
    load.order({ kind: 'called-back', total: delivered });
  });
  try {
    const bench = { platform, load, sink, signal, delivered: () => delivered };
    return await platform.during(measure(bench, options.seconds));
  } finally {
    await load.stop();
    await platform.stop();
    await sink.stop();
  }
}

async function measure(bench: Bench, seconds: number): Promise<PipelineResult> {
  const { platform, load, sink, signal } = bench;
  sink.order({ kind: 'listen', ports: ACCOUNTS, plan: DELIVERED_MESSAGES });
  const { ports } = await sink.report('listening', signal);
  const customers = platform.accounts.map((account, index) => ({
    ...account,
    drurl: `http://127.0.0.1:${ports[index]}/receipts?customer=${account.username}`,
  }));
  const { host, port } = platform;
  const limits = { connections: CONNECTIONS, maxOutstanding: MAX_OUTSTANDING };
  load.order({ kind: 'start', plan: { kind: 'send', host, port, customers, ...limits } });
  await pause(WARM_UP_MS, undefined, { signal });
  const start = await moment(bench);
  await pause(seconds * 1_000, undefined, { signal });
  const end = await moment(bench);
  load.order({ kind: 'stop' });
  const { result } = await load.report('result', signal);
  await drain(bench, result.good);
  const rssMiB = peakResidentMiB(platform.processId);
  const verdict = await judge(bench, result);
  return { ...ratesBetween(start, end), ...verdict, rssMiB };
}

async function moment({ platform, load, sink, signal, delivered }: Bench): Promise<Moment> {
  load.order({ kind: 'count' });
  const { good } = await load.report('count', signal);
  const alone = { children: false };
  return {
    atMs: performance.now(),
    accepted: good,
    delivered: delivered(),
    processorSeconds: {
      platform: processorSeconds(platform.processId, alone),
      postgres: processorSeconds(platform.postgresProcessId, { children: true }),
      simulator: processorSeconds(platform.simulatorProcessId ?? 0, alone),
      load: processorSeconds(load.processId, alone),
      sink: processorSeconds(sink.processId, alone),
    },
  };
}

/** Until everything accepted was called back, or nothing came for a while. */
async function drain({ delivered, signal }: Bench, accepted: number): Promise<void> {
  let last = delivered();
  let lastCameMs = performance.now();
  while (last < accepted && performance.now() - lastCameMs < DRAIN_PATIENCE_MS) {
    await pause(DRAIN_LOOK_MS, undefined, { signal });
    if (delivered() === last) continue;
    last = delivered();
    lastCameMs = performance.now();
  }
}

async function judge({ platform, sink, signal }: Bench, result: LoadResult) {
  sink.order({ kind: 'result' });
  const { delivered, unexpected } = await sink.report('result', signal);
  const calledBack = new MsgidSet(delivered);
  const { notDelivered, ledgerMismatches } = await readFinalStates(platform.database);
  let lost = 0;
  for (const msgid of new MsgidSet(result.msgids)) {
    if (!calledBack.has(msgid) || notDelivered.has(msgid)) lost++;
  }
  const latencies = new Latencies(result.latencies);
  return {
    lost,
    accepted: result.good,
    requestP50Ms: Number(latencies.quantileMs(0.5).toFixed(2)),
    requestP99Ms: Number(latencies.quantileMs(0.99).toFixed(2)),
    others: result.others,
    unexpectedCallbacks: unexpected,
    ledgerMismatches,
  };
}

function ratesBetween(start: Moment, end: Moment) {
  const seconds = (end.atMs - start.atMs) / 1_000;
  const messages = end.delivered - start.delivered;
  const each = (name: ProcessName): number =>
    Math.round(((end.processorSeconds[name] - start.processorSeconds[name]) * 1e6) / Math.max(1, messages));
  return {
    deliveredPerSecond: Math.round(messages / seconds),
    acceptedPerSecond: Math.round((end.accepted - start.accepted) / seconds),
    onTheWay: [start.accepted - start.delivered, end.accepted - end.delivered] as const,
    microsecondsEach: {
      platform: each('platform'),
      postgres: each('postgres'),
      simulator: each('simulator'),
      load: each('load'),
      sink: each('sink'),
    },
  };
}
