/**
 * `npm run test:faults -- [--seed N] [--seconds N] [--json]`: breaks the platform as the seed says and counts what was
 * lost, doubled or forgotten. Exit code 1 when a figure that must be 0 is not. What the figures mean:
 * docs/reference/durability.md.
 */
import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { pairs } from '../../src/cli/output.ts';
import { commandOf, type Figures, figuresOf, passes } from './figures.ts';
import { describeRecovery } from './recovery.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { describeFault, drawSchedule } from './schedule.ts';

const MAX_SEED = 2 ** 31;
const SECONDS = 60;
const LEAST_SECONDS = 10;
const MAX_SECONDS = 3_600;
const MESSAGES_PER_SECOND = 500;
const MAX_MESSAGES_PER_SECOND = 2_000;

interface FaultsOptions {
  seed: number;
  seconds: number;
  rate: number;
  json?: boolean;
  keep?: boolean;
}

function wholeNumber(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

function printTable(figures: Figures, result: SeedResult): void {
  const [slowest] = result.recoveries;
  const rows: [string, string | number][] = [
    ['seed', figures.seed],
    ['faults', figures.faults],
    ['accepted', figures.accepted],
    ['calls among them', `${result.comparison.calls}, ${result.comparison.callsAnswered} answered`],
    ['unanswered', figures.unanswered],
    ['lost', figures.lost],
    ['delivered twice', `${figures.deliveredTwice} (at most ${figures.deliveredTwiceBound})`],
    ['unexpected', figures.unexpected],
    ['charged twice', figures.chargedTwice],
    ['refund missing', figures.refundMissing],
    ['without a final state', figures.withoutFinalState],
    ['callbacks missing', figures.callbacksMissing],
    ['balance against statement', figures.balanceDifference],
    ['slowest recovery', slowest === undefined ? 'none seen' : describeRecovery(slowest)],
    ['ended in doubt', result.comparison.inDoubt],
  ];
  process.stdout.write(`${pairs(rows)}\n`);
  for (const text of [...result.notices, ...result.comparison.findings, ...result.unexpectedEnds]) {
    process.stdout.write(`  ${text}\n`);
  }
}

async function run(options: FaultsOptions): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stopping.abort(new Error(`stopped by ${signal}`)));
  }
  const schedule = drawSchedule(options.seed, options.seconds);
  const tell = (text: string): void => void process.stdout.write(`${text}\n`);
  tell(`seed ${schedule.seed}, ${options.seconds} s, unknown outcomes: ${schedule.unknownPolicy}`);
  for (const fault of schedule.faults) tell(describeFault(fault));
  const { signal } = stopping;
  const result = await runSeed(schedule, {
    messagesPerSecond: options.rate,
    keeps: options.keep === true,
    signal,
    tell,
  });
  const figures = figuresOf(schedule, result);
  printTable(figures, result);
  if (!passes(figures, result, options.rate * options.seconds)) {
    tell(`FAILED. Again: ${commandOf(options)}`);
    process.exitCode = 1;
  }
  if (options.json === true) process.stdout.write(`${JSON.stringify(figures)}\n`);
}

await new Command('faults')
  .description('Breaks a platform of its own as a seed says, and compares what went in with what came out.')
  .addOption(
    new Option('--seed <number>', 'which faults, when; a fresh one unless given')
      .argParser(wholeNumber(0, MAX_SEED))
      .default(randomInt(MAX_SEED), 'a fresh one'),
  )
  .addOption(
    new Option('--seconds <number>', 'how long requests come')
      .argParser(wholeNumber(LEAST_SECONDS, MAX_SECONDS))
      .default(SECONDS),
  )
  .addOption(
    new Option('--rate <number>', 'requests a second')
      .argParser(wholeNumber(1, MAX_MESSAGES_PER_SECOND))
      .default(MESSAGES_PER_SECOND),
  )
  .option('--keep', 'keep the logs')
  .option('--json', 'one JSON object as the last line')
  .action(run)
  .parseAsync();
// Kept-alive connections would hold the process for a while; everything it started has been stopped.
process.exit();
