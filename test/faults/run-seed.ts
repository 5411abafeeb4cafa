/** One seed from the start of its processes to its figures. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { compare, type Comparison } from './comparison.ts';
import { gatherEvidence } from './gather-evidence.ts';
import { inFlightAtCut, Injector } from './injector.ts';
import { Load } from './load.ts';
import { recoveries, type Recovery } from './recovery.ts';
import type { Schedule } from './schedule.ts';
import { settleDown } from './settle-down.ts';
import { readEvents } from './stored-facts.ts';
import { timeline } from './timeline.ts';
import { ACCOUNT, startWorld, type World } from './world.ts';

const CALLS_PER_SECOND = 1;
/** Load goes on after the last fault until the platform is whole again, and so much longer at the least and at the most. */
const AFTERWARDS_MS = 2_000;
const WHOLE_WITHIN_MS = 45_000;
const LOOK_EVERY_MS = 2_000;

export interface SeedResult {
  readonly comparison: Comparison;
  /** Faults that were brought about. */
  readonly faults: number;
  readonly deliveredTwiceBound: number;
  readonly recoveries: readonly Recovery[];
  readonly notices: readonly string[];
  /** Processes that ended by themselves. */
  readonly unexpectedEnds: readonly string[];
  /** Where the logs are, when they were kept. */
  readonly directory: string | undefined;
}

/** @param options.keeps the logs even when nothing was found */
export async function runSeed(
  schedule: Schedule,
  options: { messagesPerSecond: number; keeps: boolean; signal: AbortSignal; tell: (text: string) => void },
): Promise<SeedResult> {
  const world = await startWorld(schedule);
  const load = new Load(world);
  let keeps = true;
  try {
    const result = await underLoad(world, load, { ...options, schedule });
    keeps = options.keeps || result.comparison.findings.length > 0 || result.unexpectedEnds.length > 0;
    return { ...result, directory: keeps ? world.directory : undefined };
  } finally {
    await load.stop();
    await world.stop(keeps);
  }
}

async function underLoad(
  world: World,
  load: Load,
  options: { schedule: Schedule; messagesPerSecond: number; signal: AbortSignal; tell: (text: string) => void },
): Promise<Omit<SeedResult, 'directory'>> {
  const { schedule, signal, tell, messagesPerSecond } = options;
  const injector = new Injector(world);
  await load.start({
    messagesPerSecond,
    callsPerSecond: CALLS_PER_SECOND,
    ...ACCOUNT,
    callbackUrl: world.callbackUrl,
  });
  await Promise.all([injector.run(schedule.faults, signal), pause(schedule.seconds * 1_000, undefined, { signal })]);
  await untilWhole(async () => recoveries(injector.injected, await load.requests(), world.journal.arrivals), signal);
  tell('everything is healed; waiting for what is under way');
  const { requests, held } = await load.finish();
  const left = await settleDown(world.database, signal);
  tell(`left: ${JSON.stringify(left)}`);
  const evidence = await gatherEvidence(world, requests);
  const told = timeline(evidence.requests, evidence.arrivals, injector.injected);
  await writeFile(join(world.directory, 'timeline.txt'), told);
  const comparison = compare(evidence);
  await writeFile(join(world.directory, 'events.txt'), await eventsOf(world, comparison.findings));
  const notices = [...injector.notices];
  if (held > 0) notices.push(`${held} requests were not sent, since too many waited`);
  return {
    comparison,
    faults: injector.injected.length,
    deliveredTwiceBound:
      schedule.unknownPolicy === 'hold' ? 0 : schedule.faults.reduce((sum, fault) => sum + inFlightAtCut(fault), 0),
    recoveries: recoveries(injector.injected, evidence.requests, evidence.arrivals),
    notices,
    unexpectedEnds: world.unexpectedEnds,
  };
}

async function untilWhole(look: () => Promise<readonly Recovery[]>, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + WHOLE_WITHIN_MS;
  await pause(AFTERWARDS_MS, undefined, { signal });
  while (performance.now() < deadlineMs) {
    const found = await look();
    if (found.every(({ durationMs }) => Number.isFinite(durationMs))) return;
    await pause(LOOK_EVERY_MS, undefined, { signal });
  }
}

/** Of the messages that findings name by their msgid. */
async function eventsOf(world: World, findings: readonly string[]): Promise<string> {
  const msgids = findings.flatMap((text) => /\((\d{9,11})/.exec(text)?.[1] ?? []).map(Number);
  const events = await readEvents(world.database, msgids);
  return events.map((event) => `${JSON.stringify(event)}\n`).join('');
}
