/** `feige filter …`: words that end a message as REJERROR, for everybody or one account. */
import { Command } from 'commander';
import { CommandFailure, noSuchAccount } from './failure.ts';
import { type JsonOption, print, tableOr } from './output.ts';
import { withDatabase } from './platform.ts';
import { jsonOption, parseWord } from './values.ts';

interface AccountOption {
  account?: string;
}

export function filterCommand(): Command {
  const filter = new Command('filter');
  filter.addCommand(addCommand());
  filter.addCommand(removeCommand());
  filter.addCommand(listCommand());
  return filter;
}

function addCommand(): Command {
  return new Command('add')
    .description('add a word; messages with it are accepted, then end as REJERROR and are refunded')
    .argument('<word>', 'found whatever its case and width', parseWord)
    .option('--account <username>', 'for this account only')
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  feige filter add 賭博\n  feige filter add "free loan" --account shop')
    .action(async (word: string, options: JsonOption & AccountOption) => {
      const { addFilterWord } = await import('../store/filter-admin.ts');
      const username = options.account ?? null;
      const added = await withDatabase((db) => addFilterWord(db, { word, username }));
      if (added === 'unknown-account') throw noSuchAccount(options.account ?? '');
      const verb = added === 'added' ? 'filters' : 'filtered already';
      print(
        options,
        { word, account: username, added: added === 'added' },
        () => `${verb} "${word}" for ${whom(username)}`,
      );
    });
}

function removeCommand(): Command {
  return new Command('remove')
    .description('remove a word')
    .argument('<word>', 'as it is listed', parseWord)
    .option('--account <username>', "this account's word, not everybody's")
    .addOption(jsonOption())
    .action(async (word: string, options: JsonOption & AccountOption) => {
      const { removeFilterWord } = await import('../store/filter-admin.ts');
      const username = options.account ?? null;
      const removed = await withDatabase((db) => removeFilterWord(db, { word, username }));
      if (removed === 'unknown-account') throw noSuchAccount(options.account ?? '');
      if (removed === 'not-there') throw new CommandFailure(`"${word}" is not filtered for ${whom(username)}`);
      print(
        options,
        { word, account: username, removed: true },
        () => `"${word}" is let through for ${whom(username)}`,
      );
    });
}

function listCommand(): Command {
  return new Command('list')
    .description('list words')
    .option('--account <username>', 'only what holds for this account')
    .addOption(jsonOption())
    .action(async (options: JsonOption & AccountOption) => {
      const { listFilterWords } = await import('../store/filter-admin.ts');
      const words = await withDatabase((db) => listFilterWords(db, options.account ?? null));
      print(
        options,
        words.map(({ word, username }) => ({ word, account: username })),
        () =>
          tableOr(
            'no words',
            ['word', 'account'],
            words.map(({ word, username }) => [word, whom(username)]),
          ),
      );
    });
}

function whom(username: string | null): string {
  return username ?? 'everybody';
}
