/**
 * `npm run test:fuzz -- [--inputs N] [--seed N] [--json]`: the long run of the fuzzing. Ends with 1 when an input did
 * harm or memory grew; what did harm is kept in test/fuzz/failures and fed first the next time.
 */
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { table } from '../../src/cli/output.ts';
import { faultsOf } from './judge.ts';
import { runFuzz, type TargetReport } from './run.ts';
import { callTargets, messageTargets } from './targets.ts';

const MAX_SEED = 0x7fffffff;
const MAX_INPUTS = 1_000_000_000;

interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  readonly json?: boolean;
}

function wholeNumber(most: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= 1 && number <= most) return number;
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${most}.`);
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
  .option('--json', 'one JSON object as the last line')
  .action(async ({ inputs, seed, json }: FuzzOptions) => {
    process.stdout.write(`seed ${seed}\n`);
    const failures = fileURLToPath(new URL('failures/', import.meta.url));
    const reports: TargetReport[] = [];
    for (const target of [...messageTargets(), ...callTargets()]) {
      const done = await runFuzz({ targets: [target], inputs, seed, failures });
      reports.push(...done);
      process.stderr.write(`${JSON.stringify(done)}\n`);
    }
    process.stdout.write(`${show(reports)}\n`);
    const faults = reports.flatMap(faultsOf);
    for (const fault of faults) process.stdout.write(`fault: ${fault}\n`);
    if (json === true) process.stdout.write(`${JSON.stringify({ seed, inputs, reports })}\n`);
    process.exitCode = faults.length === 0 ? 0 : 1;
  })
  .parseAsync();
