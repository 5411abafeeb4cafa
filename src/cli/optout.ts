/** `feige optout …`: numbers that want no messages (REJMOBIL), from everybody or one account. */
import { Command } from 'commander';
import { CommandFailure, EXIT_USAGE, noSuchAccount } from './failure.ts';
import { type JsonOption, print, tableOr, taipei } from './output.ts';
import { withDatabase } from './platform.ts';
import { jsonOption } from './values.ts';

interface AccountOption {
  account?: string;
}

export function optoutCommand(): Command {
  const optout = new Command('optout');
  optout.addCommand(addCommand());
  optout.addCommand(removeCommand());
  optout.addCommand(listCommand());
  return optout;
}

/** The E.164 digits by which messages know the number, and how people read it. */
async function parseNumber(text: string): Promise<{ mobile: string; display: string }> {
  const { displayMobile, parseMobile } = await import('../domain/phone-number.ts');
  const number = parseMobile(text);
  if (number === undefined) {
    throw new CommandFailure(
      'it must be a mobile number: 09 and 8 digits, or a country code and the number',
      EXIT_USAGE,
    );
  }
  return { mobile: number.e164, display: displayMobile(number.e164) };
}

function addCommand(): Command {
  return new Command('add')
    .description('messages to this number are accepted, then end as REJMOBIL and are refunded')
    .argument('<mobile>', '09xxxxxxxx, or country code and number')
    .option('--account <username>', 'from this account only')
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  feige optout add 0911222333\n  feige optout add 0911222333 --account shop')
    .action(async (text: string, options: JsonOption & AccountOption) => {
      const { mobile, display } = await parseNumber(text);
      const { addOptOut } = await import('../store/filter-admin.ts');
      const username = options.account ?? null;
      const added = await withDatabase((db) => addOptOut(db, { mobile, username }));
      if (added === 'unknown-account') throw noSuchAccount(options.account ?? '');
      print(
        options,
        { mobile: display, account: username, added: added === 'added' },
        () => `${display} gets nothing ${from(username)}${added === 'added' ? '' : ', as before'}`,
      );
    });
}

function removeCommand(): Command {
  return new Command('remove')
    .description('let messages to this number through again')
    .argument('<mobile>', '09xxxxxxxx, or country code and number')
    .option('--account <username>', "this account's entry, not everybody's")
    .addOption(jsonOption())
    .action(async (text: string, options: JsonOption & AccountOption) => {
      const { mobile, display } = await parseNumber(text);
      const { removeOptOut } = await import('../store/filter-admin.ts');
      const username = options.account ?? null;
      const removed = await withDatabase((db) => removeOptOut(db, { mobile, username }));
      if (removed === 'unknown-account') throw noSuchAccount(options.account ?? '');
      if (removed === 'not-there') throw new CommandFailure(`${display} did not opt out ${from(username)}`);
      print(
        options,
        { mobile: display, account: username, removed: true },
        () => `${display} gets messages ${from(username)} again`,
      );
    });
}

function listCommand(): Command {
  return new Command('list')
    .description('list numbers that opted out')
    .option('--account <username>', 'only what holds for this account')
    .addOption(jsonOption())
    .action(async (options: JsonOption & AccountOption) => {
      const { displayMobile } = await import('../domain/phone-number.ts');
      const { listOptOuts } = await import('../store/filter-admin.ts');
      const optOuts = await withDatabase((db) => listOptOuts(db, options.account ?? null));
      print(
        options,
        optOuts.map(({ mobile, username, sinceMs }) => ({
          mobile: displayMobile(mobile),
          account: username,
          since: new Date(sinceMs).toISOString(),
        })),
        () =>
          tableOr(
            'nobody opted out',
            ['mobile', 'account', 'since'],
            optOuts.map((entry) => [displayMobile(entry.mobile), entry.username ?? 'everybody', taipei(entry.sinceMs)]),
          ),
      );
    });
}

function from(username: string | null): string {
  return username === null ? 'from anybody' : `from ${username}`;
}
