/** `feige number …`: which account gets what people send to a two-way number. */
import { Command, Option } from 'commander';
import { CommandFailure, noSuchAccount } from './failure.ts';
import { type JsonOption, print, tableOr } from './output.ts';
import { withDatabase } from './platform.ts';
import { jsonOption, parseAddress, parseSnumber } from './values.ts';

export function numberCommand(): Command {
  const number = new Command('number');
  number.addCommand(assignCommand());
  number.addCommand(releaseCommand());
  number.addCommand(listCommand());
  return number;
}

function assignCommand(): Command {
  return new Command('assign')
    .description('give a two-way number to an account')
    .argument('<snumber>', '5 digits, as smsmo_query asks for it', parseSnumber)
    .addOption(
      new Option('--address <address>', 'the address that operators deliver to')
        .argParser(parseAddress)
        .makeOptionMandatory(),
    )
    .requiredOption('--account <username>', 'the account')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  feige number assign 12345 --address 886900012345 --account shop')
    .action(async (snumber: string, options: JsonOption & { address: string; account: string }) => {
      const { assignNumber } = await import('../store/numbers.ts');
      const number = { snumber, address: options.address, username: options.account };
      const assigned = await withDatabase((db) => assignNumber(db, number));
      switch (assigned.kind) {
        case 'unknown-account':
          throw noSuchAccount(options.account);
        case 'number-taken':
          throw new CommandFailure(
            `${snumber} belongs to ${assigned.username}; "number release ${snumber}" takes it away first`,
          );
        case 'address-taken':
          throw new CommandFailure(`the address ${options.address} leads to ${assigned.snumber} already`);
        case 'assigned':
          print(options, number, () => `${snumber} (address ${options.address}) belongs to ${options.account}`);
      }
    });
}

function releaseCommand(): Command {
  return new Command('release')
    .description('take a two-way number away from its account')
    .argument('<snumber>', '5 digits', parseSnumber)
    .addOption(jsonOption())
    .action(async (snumber: string, options: JsonOption) => {
      const { releaseNumber } = await import('../store/numbers.ts');
      if (!(await withDatabase((db) => releaseNumber(db, snumber)))) {
        throw new CommandFailure(`${snumber} belongs to nobody; "number list" shows those that do`);
      }
      print(options, { snumber, released: true }, () => `${snumber} belongs to nobody now`);
    });
}

function listCommand(): Command {
  return new Command('list')
    .description('list two-way numbers')
    .addOption(jsonOption())
    .action(async (options: JsonOption) => {
      const { listNumbers } = await import('../store/numbers.ts');
      const numbers = await withDatabase(listNumbers);
      print(options, numbers, () =>
        tableOr(
          'no two-way numbers',
          ['snumber', 'address', 'account'],
          numbers.map((number) => [number.snumber, number.address, number.username]),
        ),
      );
    });
}
