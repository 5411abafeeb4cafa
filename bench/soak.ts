/**
 * `npm run test:soak -- [--minutes N] [--rate N] [--json]`: the whole way of a message at a steady rate for minutes,
 * while the platform's heap is measured after each collection of all garbage. Prints the course of the memory, and
 * ends with 1 when it grew, when a message was lost or when the rate was not held.
 */
import { DELIVERED_MESSAGES } from './callback-sink.ts';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { pairs, table } from '../src/cli/output.ts';
import { readFinalStates } from './final-states.ts';
import { type HeapCourse, heapCourse } from './heap-course.ts';
import type { HeapSample } from './heap-probe.ts';
import { MsgidSet } from './msgid-set.ts';
import { PacedLoad } from './paced-load.ts';
import { Peer } from './peer.ts';
import { type PlatformUnderTest, startPlatformUnderTest } from './platform-under-test.ts';
import type { SinkOrder, SinkReport } from './sink-process.ts';

const ACCOUNTS = 8;
const CONNECTIONS = 256;
const SAMPLE_EVERY_MS = 5_000;
/** Caches fill and code is compiled: a part of the time, two minutes at the most. */
const WARM_UP_SHARE = 0.25;
const MAX_WARM_UP_MS = 120_000;
const DRAIN_PATIENCE_MS = 60_000;
const DRAIN_LOOK_MS = 100;
const MAX_MINUTES = 1_440;
const MAX_RATE = 20_000;
/** The ids of the last 100,000 settled messages are remembered, about 7 MiB: until so many were, the heap has to grow. */
const REMEMBERED_MESSAGES = 100_000;
const REMEMBERED_MIB = 7;
/** A leak of one small object a message would be 60 MiB in ten minutes at 1,000/s. */
const MOST_GROWTH_MIB = 6;
const LEAST_SHARE_OF_RATE = 0.98;

interface SoakOptions {
  readonly minutes: number;
  readonly rate: number;
  readonly json?: boolean;
}

export interface SoakResult {
  readonly minutes: number;
  readonly perSecond: number;
  readonly accepted: number;
  readonly lost: number;
  readonly otherAnswers: number;
  readonly ledgerMismatches: number;
  readonly requestP50Ms: number;
  readonly requestP99Ms: number;
  readonly samples: number;
  /** After so many milliseconds the memories of bounded size were full; undefined: not in this run. */
  readonly fullAfterMs: number | undefined;
  readonly heap: HeapCourse;
  readonly grewMiB: number;
}

async function soak(options: SoakOptions, signal: AbortSignal): Promise<SoakResult> {
  const directory = await mkdtemp(join(tmpdir(), 'feige-soak-'));
  const samplesTo = join(directory, 'heap.jsonl');
  const sink = new Peer<SinkOrder, SinkReport>(new URL('./sink-process.ts', import.meta.url));
  const delivered: Delivered = { count: 0, fullAtMs: undefined };
  sink.onReport((report) => {
    if (report.kind !== 'count') return;
    delivered.count = report.delivered;
    if (delivered.count >= REMEMBERED_MESSAGES) delivered.fullAtMs ??= performance.now();
  });
  try {
    const platform = await startPlatformUnderTest({
      accounts: ACCOUNTS,
      operatorUp: true,
      profileTo: undefined,
      nodeOptions: ['--expose-gc', `--import=${probeUrl(samplesTo)}`],
      signal,
    });
    try {
      return await platform.during(measure({ platform, sink, delivered, samplesTo, signal }, options));
    } finally {
      await platform.stop();
    }
  } finally {
    await sink.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

function probeUrl(samplesTo: string): string {
  const url = new URL('./heap-probe.ts', import.meta.url);
  url.searchParams.set('to', samplesTo);
  url.searchParams.set('everyMs', String(SAMPLE_EVERY_MS));
  return url.href;
}

interface Delivered {
  count: number;
  fullAtMs: number | undefined;
}

interface Soak {
  readonly platform: PlatformUnderTest;
  readonly sink: Peer<SinkOrder, SinkReport>;
  readonly delivered: Readonly<Delivered>;
  readonly samplesTo: string;
  readonly signal: AbortSignal;
}

async function measure(soak: Soak, options: SoakOptions): Promise<SoakResult> {
  const { platform, sink, signal } = soak;
  sink.order({ kind: 'listen', ports: ACCOUNTS, plan: DELIVERED_MESSAGES });
  const { ports } = await sink.report('listening', signal);
  const customers = platform.accounts.map((account, index) => ({
    ...account,
    drurl: `http://127.0.0.1:${ports[index]}/receipts`,
  }));
  const { host, port } = platform;
  const durationMs = options.minutes * 60_000;
  const load = new PacedLoad({ host, port, customers, perSecond: options.rate, connections: CONNECTIONS });
  process.stderr.write(`platform up, ${options.rate} messages/s for ${options.minutes} minutes\n`);
  const startedMs = performance.now();
  const before = (await readSamples(soak.samplesTo)).length;
  await pause(durationMs, undefined, { signal }).catch(async (error: unknown) => {
    // Its timer would keep the process.
    await load.stop();
    throw error;
  });
  const samples = (await readSamples(soak.samplesTo)).slice(before);
  const { fullAtMs } = soak.delivered;
  const fullAfterMs = fullAtMs === undefined ? undefined : Math.round(fullAtMs - startedMs);
  process.stderr.write(`${load.accepted.size} accepted, ${load.late} late, ${soak.delivered.count} called back\n`);
  await load.stop();
  await drain(soak, load.accepted.size);
  sink.order({ kind: 'result' });
  const calledBack = new MsgidSet((await sink.report('result', signal)).delivered);
  const { notDelivered, ledgerMismatches } = await readFinalStates(platform.database);
  const lost = [...load.accepted].filter((msgid) => !calledBack.has(msgid) || notDelivered.has(msgid)).length;
  const heap = heapCourse(samples, Math.max(Math.min(MAX_WARM_UP_MS, durationMs * WARM_UP_SHARE), fullAfterMs ?? 0));
  return {
    minutes: options.minutes,
    perSecond: Math.round((load.accepted.size * 1_000) / durationMs),
    accepted: load.accepted.size,
    lost,
    otherAnswers: load.others,
    ledgerMismatches,
    requestP50Ms: Number(load.latencies.quantileMs(0.5).toFixed(2)),
    requestP99Ms: Number(load.latencies.quantileMs(0.99).toFixed(2)),
    samples: samples.length,
    fullAfterMs,
    heap,
    grewMiB: Number((heap.toMiB - heap.fromMiB).toFixed(2)),
  };
}

async function readSamples(file: string): Promise<HeapSample[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as HeapSample);
}

/** Until everything accepted was called back, or nothing came for a while. */
async function drain({ delivered, signal }: Soak, accepted: number): Promise<void> {
  let last = delivered.count;
  let lastCameMs = performance.now();
  while (last < accepted && performance.now() - lastCameMs < DRAIN_PATIENCE_MS) {
    await pause(DRAIN_LOOK_MS, undefined, { signal });
    if (delivered.count === last) continue;
    last = delivered.count;
    lastCameMs = performance.now();
  }
}

function faults(result: SoakResult, rate: number): string[] {
  const found: string[] = [];
  if (result.lost > 0) found.push(`${result.lost} messages were lost`);
  if (result.ledgerMismatches > 0) found.push('accounts and ledger disagree');
  const mostMiB = MOST_GROWTH_MIB + (result.fullAfterMs === undefined ? REMEMBERED_MIB : 0);
  if (result.grewMiB > mostMiB) found.push(`the heap grew by ${result.grewMiB} MiB`);
  if (result.perSecond < rate * LEAST_SHARE_OF_RATE) found.push(`the rate was ${result.perSecond}/s and not ${rate}/s`);
  return found;
}

function fullness({ fullAfterMs }: SoakResult): string {
  if (fullAfterMs === undefined)
    return `not all ${REMEMBERED_MESSAGES} in this run: up to ${REMEMBERED_MIB} MiB of growth`;
  return `all ${REMEMBERED_MESSAGES} after ${Math.round(fullAfterMs / 1_000)} s; the line begins there`;
}

function show(result: SoakResult): string {
  const { heap } = result;
  const minutes = heap.minutes.map(({ minute, heapMiB, rssMiB }) => [minute, heapMiB, rssMiB]);
  const facts = pairs([
    ['accepted', `${result.accepted} in ${result.minutes} minutes, ${result.perSecond}/s`],
    ['lost', result.lost],
    ['other answers', result.otherAnswers],
    ['accounts and ledger', result.ledgerMismatches === 0 ? 'agree' : 'disagree'],
    ['request p50, p99', `${result.requestP50Ms} ms, ${result.requestP99Ms} ms`],
    ['ids remembered', fullness(result)],
    ['heap by the line', `${heap.fromMiB} MiB at its start, ${heap.toMiB} MiB at its end`],
    ['slope', `${heap.slopeMiBPerMinute} MiB a minute, noise ${heap.noiseMiB} MiB, ${result.samples} samples`],
  ]);
  return `${table(['minute', 'heap after GC, MiB', 'resident, MiB'], minutes)}\n\n${facts}`;
}

function numberUpTo(most: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+(\.\d+)?$/.test(value) && number > 0 && number <= most) return number;
    throw new InvalidArgumentError(`It must be a number up to ${most}.`);
  };
}

const program = new Command('soak')
  .description("A steady load for minutes, and the platform's memory meanwhile.")
  .addOption(new Option('--minutes <number>', 'how long').argParser(numberUpTo(MAX_MINUTES)).default(10))
  .addOption(new Option('--rate <number>', 'messages a second').argParser(numberUpTo(MAX_RATE)).default(1_000))
  .option('--json', 'one JSON object as the last line')
  .action(async (options: SoakOptions) => {
    const stopping = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stopping.abort(new Error(name)));
    try {
      const result = await soak(options, stopping.signal);
      process.stdout.write(`${show(result)}\n`);
      const found = faults(result, options.rate);
      for (const fault of found) process.stdout.write(`fault: ${fault}\n`);
      if (options.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
      if (found.length > 0) process.exitCode = 1;
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
      process.stderr.write(`stopped by ${String(stopping.signal.reason.message)}\n`);
      process.exitCode = 1;
    }
  });
await program.parseAsync();
