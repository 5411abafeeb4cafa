/** Expected ends of a command: a sentence for standard error and the exit code, without a stack. */

/** What was asked for could not be done. */
export const EXIT_FAILED = 1;
/** What was asked for could not be understood. */
export const EXIT_USAGE = 2;

export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_FAILED) {
    super(message);
    this.exitCode = exitCode;
  }
}

export function noSuchAccount(username: string): CommandFailure {
  return new CommandFailure(`there is no account ${username}; "account list" shows them all`);
}

export function noSuchOperator(name: string): CommandFailure {
  return new CommandFailure(`there is no operator ${name}; "operator list" shows them all`);
}
