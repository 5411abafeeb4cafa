/** One seed from the start of its processes to its figures. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Comparison } from './comparison.ts';
import { FaultDatabase } from './fault-database.ts';
import { Injector } from './injector.ts';
import { judgeRun } from './judge-run.ts';
import { Load } from './load.ts';
import { recoveries, type Recovery } from './recovery.ts';
import type { Schedule } from './schedule.ts';
import { untilWhole } from './until-whole.ts';
import { ACCOUNT, startWorld, type World } from './world.ts';

const CALLS_PER_SECOND = 1;

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
  const { seed, seconds, unknownPolicy } = schedule;
  const makeDatabase = (directory: string): Promise<FaultDatabase> => FaultDatabase.make({ directory, seconds });
  const world = await startWorld({ seed, unknownPolicy, makeDatabase });
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
  world: World<FaultDatabase>,
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
  const faults = injector.injected;
  await untilWhole(world, load, { faults, signal });
  tell('everything is healed; waiting for what is under way');
  const { requests, held } = await load.finish();
  const { evidence, comparison } = await judgeRun(world, { requests, faults, signal, tell });
  const notices = [...injector.notices];
  const { onLines, inNodes } = await injector.inFlightAtCuts();
  tell(
    `in flight at cuts: ${onLines} on the operator's lines; in nodes that were struck: ${inNodes.join(', ') || 'none'}`,
  );
  if (held > 0) notices.push(`${held} requests were not sent, since too many waited`);
  return {
    comparison,
    faults: faults.length,
    deliveredTwiceBound: schedule.unknownPolicy === 'hold' ? 0 : inNodes.reduce((sum, one) => sum + one, onLines),
    recoveries: recoveries(faults, evidence.requests, evidence.arrivals),
    notices,
    unexpectedEnds: world.unexpectedEnds,
  };
}
