/** The expected failures of a command: a sentence for standard error and an exit code, without a stack. */

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

/** Text that lists operators or trunks, followed by those that can't be used because their password can't be read. */
export function withProblems(
  shown: readonly { name: string; passwordProblem?: string }[],
  describe: () => string,
): string {
  const problems = shown.filter(({ passwordProblem }) => passwordProblem !== undefined);
  return [describe(), ...problems.map(({ name, passwordProblem }) => `${name}: ${passwordProblem}`)].join('\n');
}

/** For a command that needs the password itself. */
export function refuseUnreadable({ name, passwordProblem }: { name: string; passwordProblem?: string }): void {
  if (passwordProblem !== undefined) throw new CommandFailure(`${name} cannot be tried: ${passwordProblem}`);
}

export function noSuchAccount(username: string): CommandFailure {
  return new CommandFailure(`there is no account ${username}; "account list" shows them all`);
}

export function noSuchOperator(name: string): CommandFailure {
  return new CommandFailure(`there is no operator ${name}; "operator list" shows them all`);
}
