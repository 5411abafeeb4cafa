import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Command, CommanderError } from 'commander';
import { CommandFailure, EXIT_USAGE } from '../../../src/cli/failure.ts';
import { buildProgram } from '../../../src/cli/program.ts';

/** What is said on standard error; none of these commands gets as far as a database. */
async function mistakeOf(args: readonly string[]): Promise<string> {
  const program = await buildProgram(args[0]);
  let said = '';
  const listen = (command: Command): void => {
    command.configureOutput({
      writeErr: (text) => {
        said += text;
      },
    });
    for (const child of command.commands) listen(child);
  };
  listen(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return said;
    assert.ok(error instanceof CommandFailure, String(error));
    assert.equal(error.exitCode, EXIT_USAGE);
    return error.message;
  }
  return assert.fail('it was understood');
}

for (const [what, message, args] of [
  ['an unknown noun', /unknown command 'bogus'/, 'bogus'],
  ['an unknown verb', /unknown command 'bogus'/, 'account bogus'],
  ['an unknown option', /unknown option '--bogus'/, 'account list --bogus'],
  ['a missing argument', /missing required argument 'username'/, 'account show'],
  ['a wrong state', /Allowed choices are active, disabled/, 'account set shop --state asleep'],
  ['a wrong switch', /must be on or off/, 'account set shop --api yes'],
  ['a wrong address', /"1\.2\.3" is neither an address nor a CIDR/, 'account set shop --ip 192.0.2.1,1.2.3'],
  ['a wrong number', /must be a whole number from 0/, 'account create --username n --password 1234 --points -1'],
  ['a wrong URL', /http or https URL/, 'account set shop --incoming-url ftp://x'],
  [
    'a push into the cloud',
    /169\.254\.169\.254 is not a global/,
    'account set shop --incoming-url http://169.254.169.254/',
  ],
  ['a wrong username', /username must be/, 'account create --username a/b --password 1234'],
  ['a short password', /password must be 4 to 64/, 'account password shop --password 123'],
  ['no password', /give --password PASSWORD or --password-stdin/, 'account password shop'],
  ['two passwords', /cannot be used with/, 'account password shop --password 1234 --password-stdin'],
  ['nothing to change', /nothing to change/, 'account set shop'],
  ['a wrong snumber', /5 digits/, 'number assign 1234 --address 1 --account shop'],
  ['a wrong msgid', /8 to 11 digits/, 'message show 42'],
  ['a wrong mobile', /mobile number/, 'optout add 12'],
  ['no points', /not 0/, 'account topup shop'],
  ['a wrong share', /from 0.001 to 1000/, 'account set shop --share 0'],
  ['a wrong sender', /1 to 20 digits/, 'account set shop --source-address ABCDEFGHIJKL'],
  ['a wrong address of a number', /1 to 20 digits or letters/, 'number assign 12345 --address ! --account shop'],
  ['a wrong operator name', /1 to 32 letters/, 'operator add -- -x'],
  ['a wrong rate', /from 0 to 1/, 'simulate --error-rate 2'],
  ['neither callback nor message', /either the id of a callback or --msgid/, 'callback replay'],
  ['both callback and message', /either the id of a callback or --msgid/, 'callback replay 1 --msgid 100000000'],
  ['two different numbers of points', /one number of points/, 'account topup shop 5 --points 6'],
] as const) {
  test(`${what} is refused with what is allowed`, async () => {
    assert.match(await mistakeOf(args.split(' ')), message);
  });
}

test('every command has a description, says --json where it prints data, and describes its options', async () => {
  const withoutData = ['serve'];
  const visit = (command: Command): void => {
    assert.notEqual(command.description(), '', command.name());
    for (const option of command.options) assert.notEqual(option.description, '', `${command.name()} ${option.flags}`);
    if (command.commands.length === 0 && !withoutData.includes(command.name())) {
      assert.ok(
        command.options.some((option) => option.long === '--json'),
        `${command.name()} lacks --json`,
      );
    }
    for (const child of command.commands) visit(child);
  };
  visit(await buildProgram('all'));
});
