/** One seed from the start of its processes to its figures. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Comparison } from './comparison.ts';
import { FaultDatabase } from './fault-database.ts';
import { inWorld } from './in-world.ts';
import { Injector } from './injector.ts';
import { judgeRun } from './judge-run.ts';
import type { Load } from './load.ts';
import { recoveries, type Recovery } from './recovery.ts';
import type { Schedule } from './schedule.ts';
import { untilWhole } from './until-whole.ts';
import { ACCOUNT, type World } from './world.ts';

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
}

/** @param options.keeps the logs even when nothing was found */
export async function runSeed(
  schedule: Schedule,
  options: { messagesPerSecond: number; keeps: boolean; signal: AbortSignal; tell: (text: string) => void },
): Promise<SeedResult> {
  const { seed, seconds, unknownPolicy } = schedule;
  const makeDatabase = (directory: string): Promise<FaultDatabase> => FaultDatabase.make({ directory, seconds });
  return inWorld({ ...options, seed, unknownPolicy, makeDatabase }, (world, load) =>
    underLoad(world, load, { ...options, schedule }),
  );
}

async function underLoad(
  world: World<FaultDatabase>,
  load: Load,
  options: { schedule: Schedule; messagesPerSecond: number; signal: AbortSignal; tell: (text: string) => void },
): Promise<SeedResult> {
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
