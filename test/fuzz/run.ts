/**
 * Feeds mutants to the targets in batches, and tells what each of them took and what it costs in memory. First come the
 * finds: batches that did harm once, each to a target of its own. A batch that does harm is kept among them, cut down
 * where it does so alone, and reported with what makes it again. One that never lets go is kept by a thread that
 * watches, and ends the process.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { findName, findText, readFinds, restoringCommand } from './finds.ts';
import { mutant, randomOfInput } from './mutation.ts';
import { shrink } from './shrink.ts';
import type { FuzzTarget, StartedTarget } from './target.ts';
import { Watch } from './watch.ts';

const BATCH = 250;
/** Code is compiled and buffers are made; then memory is measured for the first time. */
const WARM_UP_SHARE = 0.1;
/** Of a target in a run. */
const MAX_KEPT_BATCHES = 20;
const MAX_SHRUNK_BATCHES = 2;
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
  /** Where batches that did harm are kept, and read from first. */
  readonly finds: string;
  /** Of each target's inputs only those from the one, a multiple of 250, to before the other; else all of its share. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
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
  /** Finds that were fed first. */
  readonly replayed: number;
}

export async function runFuzz(plan: FuzzPlan): Promise<TargetReport[]> {
  const reports: TargetReport[] = [];
  for (const target of plan.targets) reports.push(await fuzz(target, plan));
  return reports;
}

async function fuzz(target: FuzzTarget, plan: FuzzPlan): Promise<TargetReport> {
  const from = plan.from ?? 0;
  const to = plan.to ?? Math.round(plan.inputs * target.share);
  const startedMs = performance.now();
  const faults: string[] = [];
  const watch = new Watch(plan.stuckAfterMs ?? STUCK_AFTER_MS);
  const uncaught = (error: unknown): void => void faults.push(`uncaught: ${String(error)}`);
  process.on('uncaughtException', uncaught);
  process.on('unhandledRejection', uncaught);
  const state: Fuzzing = { target, plan, started: await target.start(), startedAt: from, faults, kept: 0, watch };
  const replayed = await replay(state);
  let firstMiB: number | undefined;
  for (let at = from; at < to; at += BATCH) {
    await feed(state, at, Math.min(to, at + BATCH));
    if (firstMiB === undefined && at + BATCH - from >= (to - from) * WARM_UP_SHARE) firstMiB = await heapMiB();
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
  return { name: target.name, inputs: to - from, good, broken, seconds, heapMiB: heap, faults, replayed };
}

interface Fuzzing {
  readonly target: FuzzTarget;
  readonly plan: FuzzPlan;
  started: StartedTarget;
  /** The first input since the target was started: what it holds between batches comes from there on. */
  startedAt: number;
  readonly faults: string[];
  kept: number;
  readonly watch: Watch;
}

/** What a batch did, if it did harm. */
async function harmOf(started: StartedTarget, batch: readonly Buffer[], faults: string[]): Promise<string | undefined> {
  const known = faults.length;
  try {
    await started.feed(batch);
    // An exception that nobody caught is told a moment later.
    await turn();
  } catch (error) {
    faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return faults.splice(known).join('\n') || undefined;
}

/** A batch that did harm is kept, and the target is started anew. */
async function feed(state: Fuzzing, at: number, to: number): Promise<void> {
  const { target, plan, watch, faults } = state;
  const batch = Array.from({ length: to - at }, (_, n) => mutant(target.seeds, randomOfInput(plan.seed, at + n)));
  const command = `npm run test:fuzz -- --target '${target.name}' --seed ${plan.seed} --from ${state.startedAt} --to ${to}`;
  const whole = findText(target.name, [`inputs ${at} to ${to - 1}: ${command}`], batch);
  watch.begin({ path: join(plan.finds, findName(target.name, batch)), text: whole, command });
  const harm = await harmOf(state.started, batch, faults);
  if (harm !== undefined) {
    await renew(state, to);
    faults.push(await keep(state, { batch, harm, command, range: `inputs ${at} to ${to - 1}` }));
  }
  watch.end();
}

async function renew(state: Fuzzing, startedAt: number): Promise<void> {
  const { verdicts } = state.started;
  await state.started.stop().catch(() => {});
  state.started = await state.target.start();
  state.started.verdicts.good += verdicts.good;
  state.started.verdicts.broken += verdicts.broken;
  state.startedAt = startedAt;
}

/** The report: how to make it again, and the inputs themselves, since a log may be all that is left of this machine. */
async function keep(
  state: Fuzzing,
  found: { batch: readonly Buffer[]; harm: string; command: string; range: string },
): Promise<string> {
  const { target, plan } = state;
  const { harm, command, range } = found;
  const report = `${harm}\n  seed ${plan.seed}, ${range} of the target ${target.name}\n  again: ${command}`;
  state.kept += 1;
  if (state.kept > MAX_KEPT_BATCHES) return report;
  let { batch } = found;
  const isHarmful = (less: readonly Buffer[]): Promise<boolean> => harmsAlone(state, less);
  const isAlone = state.kept <= MAX_SHRUNK_BATCHES && (await isHarmful(batch));
  if (isAlone) batch = await shrink(batch, isHarmful);
  const how = isAlone ? 'alone at a fresh target' : 'not shown alone: the command feeds what went before, too';
  const text = findText(target.name, [`${range}: ${command}`, how, harm], batch);
  const file = findName(target.name, batch);
  await mkdir(plan.finds, { recursive: true });
  await writeFile(join(plan.finds, file), text);
  return `${report}\n  ${batch.length} inputs, ${how}: ${file}\n  the file: ${restoringCommand(file, text)}`;
}

async function harmsAlone(state: Fuzzing, batch: readonly Buffer[]): Promise<boolean> {
  const started = await state.target.start();
  const harm = await harmOf(started, batch, state.faults);
  await started.stop().catch(() => {});
  return harm !== undefined;
}

/** Each find goes to a target of its own. It stays whatever comes of it: that it does no harm today is what it shows. */
async function replay({ target, plan, faults, watch }: Fuzzing): Promise<number> {
  const finds = await readFinds(plan.finds, target.name);
  for (const { file, batch } of finds) {
    const command = `npm run test:fuzz -- --target '${target.name}' --to 0`;
    watch.begin({ path: join(plan.finds, file), text: undefined, command });
    const started = await target.start();
    const harm = await harmOf(started, batch, faults);
    await started.stop().catch(() => {});
    watch.end();
    if (harm !== undefined) faults.push(`the find ${file}: ${harm}\n  again: ${command}`);
  }
  return finds.length;
}

async function heapMiB(): Promise<number> {
  for (let collections = 0; collections < COLLECTIONS; collections += 1) {
    for (let turns = 0; turns < SETTLING_TURNS; turns += 1) await turn();
    collectGarbage();
  }
  const { heapUsed, external } = process.memoryUsage();
  return Number(((heapUsed + external) / MIB).toFixed(2));
}
