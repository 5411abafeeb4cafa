/**
 * A fail-over under the fault runs' load, on two nodes: the primary is taken away, and the standby promoted some seconds
 * later by the trial, in place of an operator's tool. Everything is compared as after a fault run.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Comparison } from '../faults/comparison.ts';
import { inWorld } from '../faults/in-world.ts';
import { judgeRun } from '../faults/judge-run.ts';
import type { Load } from '../faults/load.ts';
import { type InjectedFault, recoveries } from '../faults/recovery.ts';
import type { LoggedRequest } from '../faults/request-log.ts';
import { untilWhole } from '../faults/until-whole.ts';
import { ACCOUNT, type World } from '../faults/world.ts';
import { type PostgresPair, startPostgresPair } from './postgres-pair.ts';

const MESSAGES_PER_SECOND = 500;
const CALLS_PER_SECOND = 1;
const BEFORE_MS = 5_000;
/** How long whoever promotes the standby takes to notice. */
const PROMOTED_AFTER_MS = 3_000;
/** Load on the new primary, at the least. */
const AFTERWARDS_MS = 10_000;

export interface Trial {
  readonly comparison: Comparison;
  /** The longest time without an answer of 00000, between those before and after. */
  readonly gapMs: number;
  /** From the promotion to the first answer of 00000 to what was asked since. */
  readonly foundAfterMs: number;
  /** From the promotion until both nodes have answered so, and messages reach handsets. */
  readonly wholeAfterMs: number;
  /** How often each code was answered, or none. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Not sent, since too many waited. */
  readonly held: number;
  /** Processes that ended by themselves. */
  readonly unexpectedEnds: readonly string[];
}

export interface TrialSteps {
  /** Takes the primary away. */
  readonly fall: (pair: PostgresPair) => Promise<void> | void;
  /** While the load goes on, on the new primary. */
  readonly afterwards?: (pair: PostgresPair) => Promise<void>;
}

export function failOver(
  options: TrialSteps & { bin: string; signal: AbortSignal; tell: (text: string) => void },
): Promise<Trial> {
  const makeDatabase = (): Promise<PostgresPair> => startPostgresPair(options.bin);
  return inWorld({ seed: 0, unknownPolicy: 'resend', makeDatabase, tell: options.tell }, (world, load) =>
    underLoad(world, load, options),
  );
}

async function underLoad(
  world: World<PostgresPair>,
  load: Load,
  options: TrialSteps & { signal: AbortSignal; tell: (text: string) => void },
): Promise<Trial> {
  const { signal, tell } = options;
  const pair = world.servers;
  await load.start({
    messagesPerSecond: MESSAGES_PER_SECOND,
    callsPerSecond: CALLS_PER_SECOND,
    ...ACCOUNT,
    callbackUrl: world.callbackUrl,
  });
  await pause(BEFORE_MS, undefined, { signal });
  const startedAtMs = Date.now();
  await options.fall(pair);
  await pause(PROMOTED_AFTER_MS, undefined, { signal });
  const fall: InjectedFault = { description: 'the primary falls', startedAtMs, healedAtMs: Date.now() };
  await pair.standby.query('SELECT pg_promote(true)');
  await pause(AFTERWARDS_MS, undefined, { signal });
  await options.afterwards?.(pair);
  const faults = [fall];
  await untilWhole(world, load, { faults, signal });
  const { requests, held } = await load.finish();
  const { evidence, comparison } = await judgeRun(world, { requests, faults, signal, tell });
  const [recovery] = recoveries(faults, requests, evidence.arrivals);
  return {
    comparison,
    gapMs: longestGapMs(requests),
    foundAfterMs: foundAfterMs(requests, fall.healedAtMs),
    wholeAfterMs: recovery?.durationMs ?? Number.POSITIVE_INFINITY,
    outcomes: countOutcomes(requests),
    held,
    unexpectedEnds: world.unexpectedEnds,
  };
}

/** When each message that was accepted was answered. */
function answersAtMs(requests: readonly LoggedRequest[]): number[] {
  const accepted = requests.filter((one) => one.planned.kind === 'message' && one.outcome?.kind === 'accepted');
  return accepted.map(({ endedAtMs }) => endedAtMs).sort((left, right) => left - right);
}

function longestGapMs(requests: readonly LoggedRequest[]): number {
  const answers = answersAtMs(requests);
  return answers.reduce((longest, atMs, index) => Math.max(longest, atMs - (answers[index - 1] ?? atMs)), 0);
}

function foundAfterMs(requests: readonly LoggedRequest[], promotedAtMs: number): number {
  const [first] = answersAtMs(requests.filter((one) => one.sentAtMs >= promotedAtMs));
  return (first ?? Number.POSITIVE_INFINITY) - promotedAtMs;
}

function countOutcomes(requests: readonly LoggedRequest[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of requests) {
    const name = outcome?.kind === 'error' ? outcome.code : (outcome?.kind ?? 'never ended');
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
