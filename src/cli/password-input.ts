/** Passwords for commands: from an option, or from standard input, where no list of processes shows them. */
import { Option } from 'commander';
import { isWellFormedPassword } from '../domain/credentials.ts';
import { CommandFailure, EXIT_USAGE } from './failure.ts';

export interface PasswordOptions {
  password?: string;
  passwordStdin?: boolean;
}

const MAX_INPUT_BYTES = 4_096;

export function passwordOptions(of: string): [Option, Option] {
  return [
    new Option('--password <password>', of).conflicts('passwordStdin'),
    new Option('--password-stdin', 'read the password from standard input'),
  ];
}

/** Undefined: none was given. A line break at the end of standard input is not part of it. */
export async function readPassword(options: PasswordOptions): Promise<string | undefined> {
  if (options.passwordStdin !== true) return options.password;
  let input = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    input += String(chunk);
    if (input.length > MAX_INPUT_BYTES)
      throw new CommandFailure('the password on standard input is too long', EXIT_USAGE);
  }
  return input.replace(/\r?\n$/, '');
}

/** The password of an account (spec README point 18). */
export async function requireAccountPassword(options: PasswordOptions): Promise<string> {
  const password = await readPassword(options);
  if (password === undefined) throw new CommandFailure('give --password PASSWORD or --password-stdin', EXIT_USAGE);
  if (isWellFormedPassword(password)) return password;
  throw new CommandFailure('the password must be 4 to 64 printable ASCII characters', EXIT_USAGE);
}
