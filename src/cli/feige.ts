#!/usr/bin/env node
/**
 * The command line. One catch for all commands: what they expected to fail is one sentence on standard error and
 * exit code 1, what was typed wrongly is exit code 2; only a fault nobody expected shows its stack.
 */
import { CommanderError } from 'commander';
import { FeigeError } from '../base/errors.ts';
import { CommandFailure, EXIT_FAILED, EXIT_USAGE } from './failure.ts';
import { buildProgram } from './program.ts';

/** SQLSTATE undefined_table: the database is reachable, but not Feige's yet. */
const UNDEFINED_TABLE = '42P01';

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof CommandFailure) {
    process.stderr.write(`error: ${error.message}\n`);
    return error.exitCode;
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === UNDEFINED_TABLE) {
    process.stderr.write('error: the database has not been set up; run "feige migrate", or start the platform once\n');
  } else if (error instanceof FeigeError) {
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    process.stderr.write(`error: ${error.code}: ${error.message}${cause}\n`);
  } else {
    process.stderr.write(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  }
  return EXIT_FAILED;
}

// A reader that has seen enough (| head) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

// Everybody on the machine can see a process's arguments, so a title replaces them. They can still be seen while Node
// starts, and in npm's own processes: hence --password-stdin.
if (process.argv.some((argument) => argument.startsWith('--password'))) process.title = 'feige';

try {
  const program = await buildProgram(process.argv[2]);
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
