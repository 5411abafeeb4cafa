/**
 * How many calls a second are accepted: charged, stored and queued in a commit that is on disk before the answer. Its
 * only trunk is one where nobody listens, with room for a call an hour, so that nothing is spoken or dialled meanwhile.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseTrunkSettings } from '../src/domain/trunk-settings.ts';
import { addTrunk } from '../src/store/trunks.ts';
import type { RunOptions } from './accept.ts';
import { Latencies } from './latencies.ts';
import type { LoadResult } from './load.ts';
import type { LoadOrder, LoadReport } from './load-process.ts';
import { Peer } from './peer.ts';
import { type PlatformUnderTest, startPlatformUnderTest } from './platform-under-test.ts';
import { processorSeconds } from './processor-time.ts';

const ACCOUNTS = 8;
/** Fewer than a batch holds and the platform and the database take turns instead of working side by side. */
const CONNECTIONS = 512;
/** V8 has compiled what it will compile. */
const WARM_UP_MS = 3_000;
/** The platform reads its trunks once a second. */
const TRUNK_SEEN_MS = 2_000;
const CALLS_AN_HOUR = 1;
const HOUR_SECONDS = 3_600;

export interface CallAcceptResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than a msgid, by code. */
  readonly others: Readonly<Record<string, number>>;
  readonly microsecondsEach: Readonly<Record<'platform' | 'postgres' | 'load', number>>;
}

/** Rejects when something does not come up, or when the signal is aborted; leaves nothing behind either way. */
export async function benchCallAcceptance(options: RunOptions): Promise<CallAcceptResult> {
  const { signal, profileTo, seconds } = options;
  const platform = await startPlatformUnderTest({ accounts: ACCOUNTS, operatorUp: false, profileTo, signal });
  const load = new Peer<LoadOrder, LoadReport>(new URL('./load-process.ts', import.meta.url));
  try {
    await makeIdleTrunk(platform);
    await pause(TRUNK_SEEN_MS, undefined, { signal });
    return await platform.during(measure({ platform, load, signal }, seconds));
  } finally {
    await load.stop();
    await platform.stop();
  }
}

interface Bench {
  readonly platform: PlatformUnderTest;
  readonly load: Peer<LoadOrder, LoadReport>;
  readonly signal: AbortSignal;
}

async function makeIdleTrunk({ database }: PlatformUnderTest): Promise<void> {
  const parsed = parseTrunkSettings({
    host: '127.0.0.1',
    port: 1,
    callsPerSecond: CALLS_AN_HOUR / HOUR_SECONDS,
    heartbeatSeconds: 0,
  });
  if (!parsed.ok) throw new Error(parsed.mistakes.join('; '));
  await addTrunk(database, { name: 'bench', enabled: true, settings: parsed.settings });
}

async function measure(bench: Bench, seconds: number): Promise<CallAcceptResult> {
  await runLoad(bench, WARM_UP_MS);
  const before = processorTimes(bench);
  const result = await runLoad(bench, seconds * 1_000);
  const after = processorTimes(bench);
  const each = (name: keyof typeof before): number =>
    Math.round(((after[name] - before[name]) * 1e6) / Math.max(1, result.good));
  const latencies = new Latencies(result.latencies);
  return {
    perSecond: Math.round(result.good / (result.durationMs / 1_000)),
    p50Ms: Number(latencies.quantileMs(0.5).toFixed(2)),
    p99Ms: Number(latencies.quantileMs(0.99).toFixed(2)),
    others: result.others,
    microsecondsEach: { platform: each('platform'), postgres: each('postgres'), load: each('load') },
  };
}

async function runLoad({ platform, load, signal }: Bench, durationMs: number): Promise<LoadResult> {
  const { host, port } = platform;
  const customers = platform.accounts.map((account) => ({ ...account, drurl: undefined }));
  const plan = { kind: 'speak', host, port, connections: CONNECTIONS, customers, maxOutstanding: undefined } as const;
  load.order({ kind: 'start', plan });
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
