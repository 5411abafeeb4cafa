/**
 * `npm run test:fuzz -- [--inputs N] [--seed N] [--target NAME] [--from N] [--to N] [--json]`: the long run of the
 * fuzzing, or a part of it again. Ends with 1 when an input did harm or memory grew; what did harm is kept in
 * test/fuzz/corpus/finds, and what is there is fed first.
 */
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { table } from '../../src/cli/output.ts';
import { faultsOf, harmIn } from './judge.ts';
import { runFuzz, type TargetReport } from './run.ts';
import { callTargets, messageTargets } from './targets.ts';

const MAX_SEED = 0x7fffffff;
const MAX_INPUTS = 1_000_000_000;

interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  readonly target?: string;
  readonly from?: number;
  readonly to?: number;
  readonly json?: boolean;
}

function wholeNumber(most: number, least = 1): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

function show(reports: readonly TargetReport[]): string {
  const rows = reports.map(({ name, inputs, good, broken, seconds, heapMiB, faults, replayed }) => [
    name,
    inputs,
    good,
    broken,
    Number(seconds.toFixed(1)),
    heapMiB[0],
    heapMiB[1],
    replayed,
    faults.length,
  ]);
  const heads = ['target', 'inputs', 'good', 'broken', 'seconds', 'MiB first', 'MiB last', 'replayed', 'faults'];
  return table(heads, rows);
}

await new Command('fuzz')
  .description('Damaged SMPP and HTTP for both roles, and damaged SIP and RTP.')
  .addOption(
    new Option('--inputs <number>', 'how many for SMPP and HTTP, for SIP, and for RTP')
      .argParser(wholeNumber(MAX_INPUTS))
      .default(1_000_000),
  )
  .addOption(
    new Option('--seed <number>', 'the same inputs again')
      .argParser(wholeNumber(MAX_SEED))
      .default(1 + Math.floor(Math.random() * (MAX_SEED - 1)), 'a fresh one'),
  )
  .option('--target <name>', 'only this one, by its name in the table')
  .addOption(new Option('--from <number>', 'of its inputs, from this one').argParser(wholeNumber(MAX_INPUTS, 0)))
  .addOption(
    new Option('--to <number>', 'to before this one; 0: only what is in corpus/finds').argParser(
      wholeNumber(MAX_INPUTS, 0),
    ),
  )
  .option('--json', 'one JSON object as the last line')
  .action(async ({ inputs, seed, target: only, from, to, json }: FuzzOptions) => {
    process.stdout.write(`seed ${seed}\n`);
    const finds = fileURLToPath(new URL('corpus/finds/', import.meta.url));
    const reports: TargetReport[] = [];
    const targets = [...messageTargets(), ...callTargets()].filter(({ name }) => only === undefined || name === only);
    if (targets.length === 0) throw new InvalidArgumentError(`There is no target ${only}.`);
    for (const target of targets) {
      const done = await runFuzz({ targets: [target], inputs, seed, finds, from, to });
      reports.push(...done);
      process.stderr.write(`${JSON.stringify(done)}\n`);
    }
    process.stdout.write(`${show(reports)}\n`);
    // A part of a run is too short for the rest.
    const faults = reports.flatMap(from === undefined && to === undefined ? faultsOf : harmIn);
    for (const fault of faults) process.stdout.write(`fault: ${fault}\n`);
    if (json === true) process.stdout.write(`${JSON.stringify({ seed, inputs, reports })}\n`);
    process.exitCode = faults.length === 0 ? 0 : 1;
  })
  .parseAsync();
