/**
 * How long each step takes at 500 requests a second: the answer, the submit_sm at the operator, and from the
 * operator's receipt to the callback and to the query endpoint. Load, operator and sink are processes of their own and
 * note instants on the machine's one monotonic clock.
 */
import { DELIVERED_MESSAGES } from './callback-sink.ts';
import { setTimeout as pause } from 'node:timers/promises';
import type { RunOptions } from './accept.ts';
import { flushTimes } from './disk.ts';
import { Instants, type Spread, spreadBetween } from './instants.ts';
import type { OperatorOrder, OperatorReport } from './operator-process.ts';
import { Peer } from './peer.ts';
import { type PlatformUnderTest, startPlatformUnderTest } from './platform-under-test.ts';
import { machineTicks, peakResidentMiB, processorSeconds, stolenShare } from './processor-time.ts';
import type { SinkOrder, SinkReport } from './sink-process.ts';
import type { SteadyResult } from './steady-load.ts';
import type { SteadyOrder, SteadyReport } from './steady-process.ts';

const REQUESTS_PER_SECOND = 500;
const ACCOUNTS = 8;
const CONNECTIONS = 128;
/** Of so many messages one is asked after; the questions are a load of their own. */
const WATCH_EVERY = 25;
const WARM_UP_MS = 10_000;
/** After the last request: the operator's receipt takes 200 ms. */
const DRAIN_PATIENCE_MS = 10_000;
const DRAIN_LOOK_MS = 50;
const LAST_QUESTIONS_MS = 500;

export interface LatencyResult {
  readonly requestsPerSecond: number;
  /** Request written → its answer. */
  readonly answer: Spread;
  /** Request written → its submit_sm read by the operator. */
  readonly submit: Spread;
  /** Receipt written by the operator → callback read by the customer's server. */
  readonly callback: Spread;
  /** Receipt written by the operator → the query endpoint's answer with the final state. */
  readonly query: Spread;
  /** The flush of a page to the disk before the load began: an answer waits for one, or two. */
  readonly flush: Spread;
  /** Accepted and not called back. */
  readonly lost: number;
  readonly others: Readonly<Record<string, number>>;
  readonly unexpectedCallbacks: number;
  readonly rssMiB: number;
  readonly microsecondsEach: Readonly<Record<'platform' | 'postgres' | 'operator' | 'load' | 'sink', number>>;
  /** Share of the processors' time that other machines took. */
  readonly stolen: number;
}

interface Bench {
  readonly platform: PlatformUnderTest;
  readonly load: Peer<SteadyOrder, SteadyReport>;
  readonly operator: Peer<OperatorOrder, OperatorReport>;
  readonly sink: Peer<SinkOrder, SinkReport>;
  readonly signal: AbortSignal;
  /** What the sink told last. */
  readonly delivered: () => number;
}

/** Rejects when something does not come up, or when the signal is aborted; leaves nothing behind either way. */
export async function benchLatency(options: RunOptions): Promise<LatencyResult> {
  const { signal, profileTo, seconds } = options;
  const load = new Peer<SteadyOrder, SteadyReport>(new URL('./steady-process.ts', import.meta.url));
  const operator = new Peer<OperatorOrder, OperatorReport>(new URL('./operator-process.ts', import.meta.url));
  const sink = new Peer<SinkOrder, SinkReport>(new URL('./sink-process.ts', import.meta.url));
  operator.onReport((report) => {
    if (report.kind === 'receipt') load.order({ kind: 'watch', number: report.number });
  });
  let delivered = 0;
  sink.onReport((report) => {
    if (report.kind === 'count') ({ delivered } = report);
  });
  let platform: PlatformUnderTest | undefined;
  try {
    operator.order({ kind: 'listen', tellEvery: WATCH_EVERY });
    const { port } = await operator.report('listening', signal);
    const plan = { accounts: ACCOUNTS, operatorUp: true, operatorPort: port, profileTo, signal };
    platform = await startPlatformUnderTest(plan);
    const bench = { platform, load, operator, sink, signal, delivered: () => delivered };
    return await platform.during(measure(bench, seconds));
  } finally {
    await load.stop();
    await platform?.stop();
    await sink.stop();
    await operator.stop();
  }
}

async function measure(bench: Bench, seconds: number): Promise<LatencyResult> {
  const { platform, load, sink, signal } = bench;
  const { host, port } = platform;
  sink.order({ kind: 'listen', ports: ACCOUNTS, plan: DELIVERED_MESSAGES });
  const { ports } = await sink.report('listening', signal);
  const customers = platform.accounts.map((account, index) => ({
    ...account,
    drurl: `http://127.0.0.1:${ports[index]}/receipts?customer=${account.username}`,
  }));
  const flush = await flushTimes();
  const pace = { perSecond: REQUESTS_PER_SECOND, connections: CONNECTIONS, watchEvery: WATCH_EVERY };
  load.order({ kind: 'start', plan: { host, port, customers, ...pace } });
  await pause(WARM_UP_MS, undefined, { signal });
  const first = await requestsSent(bench);
  const start = { ticks: machineTicks(), used: processorTimes(bench) };
  await pause(seconds * 1_000, undefined, { signal });
  const requests = (await requestsSent(bench)) - first;
  const used = processorTimes(bench);
  const stolen = stolenShare(start.ticks, machineTicks());
  load.order({ kind: 'pause' });
  await load.report('paused', signal);
  await drain(bench, await requestsSent(bench));
  load.order({ kind: 'end' });
  const { result } = await load.report('result', signal);
  const each = (name: keyof typeof used): number =>
    Math.round(((used[name] - start.used[name]) * 1e6) / Math.max(1, requests));
  return {
    requestsPerSecond: Math.round(requests / seconds),
    ...(await judge(bench, result, { first, count: requests })),
    flush,
    rssMiB: peakResidentMiB(platform.processId),
    microsecondsEach: {
      platform: each('platform'),
      postgres: each('postgres'),
      operator: each('operator'),
      load: each('load'),
      sink: each('sink'),
    },
    stolen,
  };
}

async function requestsSent({ load, signal }: Bench): Promise<number> {
  load.order({ kind: 'count' });
  return (await load.report('count', signal)).requests;
}

/** Until everything was called back, or nothing came for a while; then the last questions are answered as well. */
async function drain({ delivered, signal }: Bench, requests: number): Promise<void> {
  let last = delivered();
  let lastCameMs = performance.now();
  while (last < requests && performance.now() - lastCameMs < DRAIN_PATIENCE_MS) {
    await pause(DRAIN_LOOK_MS, undefined, { signal });
    if (delivered() === last) continue;
    last = delivered();
    lastCameMs = performance.now();
  }
  await pause(LAST_QUESTIONS_MS, undefined, { signal });
}

async function judge(
  { operator, sink, signal }: Bench,
  result: SteadyResult,
  { first, count }: { first: number; count: number },
) {
  operator.order({ kind: 'result' });
  const told = await operator.report('result', signal);
  sink.order({ kind: 'result' });
  const received = await sink.report('result', signal);
  const requested = new Instants(result.requested);
  const accepted = new Instants(result.accepted);
  const receipts = new Instants(told.receipts);
  const calledBack = new Instants(received.instants);
  const measured = Array.from({ length: count }, (_, index) => first + index);
  const lost = measured.filter((number) => accepted.of(number) !== undefined && !calledBack.of(number)).length;
  return {
    answer: spreadBetween(requested, accepted, measured),
    submit: spreadBetween(requested, new Instants(told.submitted), measured),
    callback: spreadBetween(receipts, calledBack, measured),
    query: spreadBetween(receipts, new Instants(result.shown), measured),
    lost,
    others: result.others,
    unexpectedCallbacks: received.unexpected,
  };
}

function processorTimes({ platform, load, operator, sink }: Bench): LatencyResult['microsecondsEach'] {
  const alone = { children: false };
  return {
    platform: processorSeconds(platform.processId, alone),
    postgres: processorSeconds(platform.postgresProcessId, { children: true }),
    operator: processorSeconds(operator.processId, alone),
    load: processorSeconds(load.processId, alone),
    sink: processorSeconds(sink.processId, alone),
  };
}
