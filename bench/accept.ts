/**
 * How many requests a second are accepted: charged, stored and queued in a commit that is on disk before the answer.
 * Beside it, in turns on the same connections, what the same HTTP server does when it answers a constant.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Latencies } from './latencies.ts';
import type { LoadResult } from './load.ts';
import type { LoadOrder, LoadReport } from './load-process.ts';
import { Peer } from './peer.ts';
import { type PlatformUnderTest, startPlatformUnderTest } from './platform-under-test.ts';
import { processorSeconds } from './processor-time.ts';
import type { RequestKind } from './requests.ts';

const ACCOUNTS = 8;
/** Enough for full batches at the goal: 20,000/s at 19 ms are 384 requests under way. */
const CONNECTIONS = 384;
/** An operator's default: dispatch and receipts go on beside it, and what is measured stays acceptance. */
const THROTTLE = 200;
const ROUNDS = 3;
/** V8 has compiled what it will compile, and the operator is known. */
const WARM_UP_MS = 4_000;
/** The constant is steadier, so less of it does. */
const CONSTANT_SHARE = 0.5;

export interface AcceptResult {
  readonly acceptedPerSecond: number;
  readonly noopPerSecond: number;
  readonly ratio: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 00000, by code. */
  readonly others: Readonly<Record<string, number>>;
  /** Processor time that an accepted request took, and, of the platform alone, one answered with the constant. */
  readonly microsecondsEach: Readonly<Record<'platform' | 'postgres' | 'load' | 'constant', number>>;
}

export interface RunOptions {
  /** How long is measured, without warming up. */
  readonly seconds: number;
  readonly profileTo: string | undefined;
  readonly signal: AbortSignal;
}

/** Rejects when something does not come up, or when the signal is aborted; leaves nothing behind either way. */
export async function benchAccept(options: RunOptions): Promise<AcceptResult> {
  const { signal, profileTo, seconds } = options;
  const plan = { accounts: ACCOUNTS, operatorUp: true, throttle: THROTTLE, profileTo, signal };
  const platform = await startPlatformUnderTest(plan);
  const load = new Peer<LoadOrder, LoadReport>(new URL('./load-process.ts', import.meta.url));
  try {
    return await platform.during(measure({ platform, load, signal }, seconds));
  } finally {
    await load.stop();
    await platform.stop();
  }
}

async function measure(bench: Bench, seconds: number): Promise<AcceptResult> {
  await runLoad(bench, 'send', WARM_UP_MS);
  await runLoad(bench, 'constant', WARM_UP_MS * CONSTANT_SHARE);
  const sent = new Totals();
  const constant = new Totals();
  const used = { platform: 0, postgres: 0, load: 0, constant: 0 };
  const roundMs = (seconds * 1_000) / ROUNDS;
  for (let round = 0; round < ROUNDS; round++) {
    const first = processorTimes(bench);
    constant.add(await runLoad(bench, 'constant', roundMs * CONSTANT_SHARE));
    const before = processorTimes(bench);
    used.constant += before.platform - first.platform;
    sent.add(await runLoad(bench, 'send', roundMs));
    const after = processorTimes(bench);
    for (const name of ['platform', 'postgres', 'load'] as const) used[name] += after[name] - before[name];
  }
  return resultOf(sent, constant, used);
}

interface Bench {
  readonly platform: PlatformUnderTest;
  readonly load: Peer<LoadOrder, LoadReport>;
  readonly signal: AbortSignal;
}

class Totals {
  readonly latencies = new Latencies();
  readonly others: Record<string, number> = {};
  good = 0;
  #durationMs = 0;

  get perSecond(): number {
    return this.good / (this.#durationMs / 1_000);
  }

  add(result: LoadResult): void {
    this.good += result.good;
    this.#durationMs += result.durationMs;
    this.latencies.addAll(new Latencies(result.latencies));
    for (const [kind, count] of Object.entries(result.others)) this.others[kind] = (this.others[kind] ?? 0) + count;
  }
}

async function runLoad({ platform, load, signal }: Bench, kind: RequestKind, durationMs: number): Promise<LoadResult> {
  const { host, port } = platform;
  const customers = platform.accounts.map((account) => ({ ...account, drurl: undefined }));
  load.order({
    kind: 'start',
    plan: { kind, host, port, connections: CONNECTIONS, customers, maxOutstanding: undefined },
  });
  await pause(durationMs, undefined, { signal });
  load.order({ kind: 'stop' });
  return (await load.report('result', signal)).result;
}

function processorTimes({ platform, load }: Bench): Record<'platform' | 'postgres' | 'load', number> {
  return {
    platform: processorSeconds(platform.processId, { children: false }),
    postgres: processorSeconds(platform.postgresProcessId, { children: true }),
    load: processorSeconds(load.processId, { children: false }),
  };
}

function resultOf(sent: Totals, constant: Totals, used: AcceptResult['microsecondsEach']): AcceptResult {
  const each = (seconds: number, requests: number): number => Math.round((seconds * 1e6) / Math.max(1, requests));
  return {
    acceptedPerSecond: Math.round(sent.perSecond),
    noopPerSecond: Math.round(constant.perSecond),
    ratio: Number((sent.perSecond / constant.perSecond).toFixed(3)),
    p50Ms: Number(sent.latencies.quantileMs(0.5).toFixed(2)),
    p99Ms: Number(sent.latencies.quantileMs(0.99).toFixed(2)),
    others: sent.others,
    microsecondsEach: {
      platform: each(used.platform, sent.good),
      postgres: each(used.postgres, sent.good),
      load: each(used.load, sent.good),
      constant: each(used.constant, constant.good),
    },
  };
}
