/**
 * Feeds mutants to the targets in batches, and tells what each of them took and what it costs in memory. A batch that
 * did harm is kept as a file and fed again at the start of the next run; so a fault that is mended shows itself so. One
 * that never lets go is kept by a thread that watches, and ends the process.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { mutant, randomOfInput } from './mutation.ts';
import type { FuzzTarget, StartedTarget } from './target.ts';
import { Watch } from './watch.ts';

const BATCH = 250;
/** Code is compiled and buffers are made; then memory is measured for the first time. */
const WARM_UP_SHARE = 0.1;
const MAX_KEPT_BATCHES = 20;
const MIB = 1_048_576;
/** A batch that has the event loop stand still for so long has hung it. */
const STUCK_AFTER_MS = 30_000;
/** Turns of the event loop in which closed sockets are let go. */
const SETTLING_TURNS = 20;
/** What the first collection finalises is free after the next. */
const COLLECTIONS = 3;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export interface FuzzPlan {
  readonly targets: readonly FuzzTarget[];
  /** Of all targets together. */
  readonly inputs: number;
  readonly seed: number;
  /** Where batches that did harm are kept. */
  readonly failures: string;
  /** Only tests give one. */
  readonly stuckAfterMs?: number;
}

export interface TargetReport {
  readonly name: string;
  readonly inputs: number;
  readonly good: number;
  readonly broken: number;
  readonly seconds: number;
  /** After garbage collection: when a tenth was fed, and at the end. */
  readonly heapMiB: readonly [number, number];
  readonly faults: readonly string[];
  /** Batches of earlier runs that were fed first. */
  readonly replayed: number;
}

export async function runFuzz(plan: FuzzPlan): Promise<TargetReport[]> {
  const reports: TargetReport[] = [];
  for (const target of plan.targets) reports.push(await fuzz(target, plan));
  return reports;
}

async function fuzz(target: FuzzTarget, plan: FuzzPlan): Promise<TargetReport> {
  const inputs = Math.round(plan.inputs * target.share);
  const startedMs = performance.now();
  const faults: string[] = [];
  const watch = new Watch(plan.stuckAfterMs ?? STUCK_AFTER_MS);
  const state = { target, started: await target.start(), faults, failures: plan.failures, watch };
  const uncaught = (error: unknown): void => void faults.push(`uncaught: ${String(error)}`);
  process.on('uncaughtException', uncaught);
  process.on('unhandledRejection', uncaught);
  const replayed = await replay(state);
  let firstMiB: number | undefined;
  for (let at = 0; at < inputs; at += BATCH) {
    const count = Math.min(BATCH, inputs - at);
    const batch = Array.from({ length: count }, (_, n) => mutant(target.seeds, randomOfInput(plan.seed, at + n)));
    await feed(state, batch, `${plan.seed}-${at}`);
    if (firstMiB === undefined && at + BATCH >= inputs * WARM_UP_SHARE) firstMiB = await heapMiB();
  }
  const lastMiB = await heapMiB();
  const { good, broken } = state.started.verdicts;
  await state.started.stop();
  await watch.stop();
  await turn();
  process.off('uncaughtException', uncaught);
  process.off('unhandledRejection', uncaught);
  const seconds = (performance.now() - startedMs) / 1_000;
  const heap = [firstMiB ?? lastMiB, lastMiB] as const;
  return { name: target.name, inputs, good, broken, seconds, heapMiB: heap, faults, replayed };
}

interface Fuzzing {
  readonly target: FuzzTarget;
  started: StartedTarget;
  readonly faults: string[];
  readonly failures: string;
  readonly watch: Watch;
}

/** A batch that did harm is kept, and the target is started anew. */
async function feed(state: Fuzzing, batch: readonly Buffer[], name: string): Promise<void> {
  const known = state.faults.length;
  const kept = { path: pathOf(state, name), text: textOf(batch) };
  state.watch.begin(kept);
  try {
    await state.started.feed(batch);
  } catch (error) {
    state.faults.push(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  state.watch.end();
  if (state.faults.length === known) return;
  if (known < MAX_KEPT_BATCHES) {
    await mkdir(state.failures, { recursive: true });
    await writeFile(kept.path, kept.text);
  }
  const { verdicts } = state.started;
  await state.started.stop().catch(() => {});
  state.started = await state.target.start();
  state.started.verdicts.good += verdicts.good;
  state.started.verdicts.broken += verdicts.broken;
}

function pathOf({ target, failures }: Fuzzing, name: string): string {
  return join(failures, `${prefixOf(target)}${name}.hex`);
}

function textOf(batch: readonly Buffer[]): string {
  return `${batch.map((input) => input.toString('hex')).join('\n')}\n`;
}

/** What did harm in an earlier run and does none any more is forgotten. */
async function replay(state: Fuzzing): Promise<number> {
  const names = (await readdir(state.failures).catch(() => [])).filter((name) =>
    name.startsWith(prefixOf(state.target)),
  );
  for (const name of names) {
    const text = await readFile(join(state.failures, name), 'utf8');
    const known = state.faults.length;
    const batch = text.trimEnd().split('\n');
    await feed(
      state,
      batch.map((line) => Buffer.from(line, 'hex')),
      name.slice(prefixOf(state.target).length, -'.hex'.length),
    );
    if (state.faults.length === known) await rm(join(state.failures, name));
  }
  return names.length;
}

function prefixOf(target: FuzzTarget): string {
  return `${target.name.replaceAll(/[^a-z]+/gi, '-')}-`;
}

async function heapMiB(): Promise<number> {
  for (let collections = 0; collections < COLLECTIONS; collections += 1) {
    for (let turns = 0; turns < SETTLING_TURNS; turns += 1) await turn();
    collectGarbage();
  }
  const { heapUsed, external } = process.memoryUsage();
  return Number(((heapUsed + external) / MIB).toFixed(2));
}
