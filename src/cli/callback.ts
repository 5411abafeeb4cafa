/** `feige callback …`: callbacks that are owed or were given up, and sending one again. */
import { Command, Option } from 'commander';
import type { ListedCallback } from '../store/outbox-admin.ts';
import { CommandFailure, EXIT_USAGE } from './failure.ts';
import { type JsonOption, print, tableOr, taipei } from './output.ts';
import { withDatabase } from './platform.ts';
import { jsonOption, parseMsgid, wholeNumber } from './values.ts';

const DEFAULT_LISTED = 100;
const MAX_LISTED = 100_000;

export function callbackCommand(): Command {
  const callback = new Command('callback');
  callback.addCommand(listCommand());
  callback.addCommand(replayCommand());
  return callback;
}

function listCommand(): Command {
  return new Command('list')
    .description('list callbacks that wait for their next try or were given up, oldest first')
    .addOption(new Option('--state <state>', 'which ones').choices(['waiting', 'given-up', 'all']).default('all'))
    .option('--account <username>', 'only those of this account')
    .addOption(
      new Option('--limit <number>', 'how many at the most')
        .argParser(wholeNumber(1, MAX_LISTED))
        .default(DEFAULT_LISTED),
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nDelivered callbacks are not in this list; "message show" has their attempts.\n\nExample:\n  feige callback list --state given-up --account shop',
    )
    .action(
      async (options: JsonOption & { state: 'waiting' | 'given-up' | 'all'; account?: string; limit: number }) => {
        const { listCallbacks } = await import('../store/outbox-admin.ts');
        const { state, account, limit } = options;
        const callbacks = await withDatabase((db) =>
          listCallbacks(db, { state, limit, ...(account !== undefined && { username: account }) }),
        );
        print(options, callbacks.map(shown), () =>
          tableOr(
            'no callbacks',
            ['id', 'account', 'msgid', 'message-state', 'state', 'attempts', 'next try', 'url'],
            callbacks.map((callback) => [
              callback.callbackId,
              callback.username ?? 'gone',
              callback.msgid ?? 'incoming',
              callback.messageState ?? '',
              stateOf(callback),
              callback.attempts,
              callback.givenUp ? '' : taipei(callback.nextAtMs),
              callback.url,
            ]),
          ),
        );
      },
    );
}

/** As `--state` names it. */
function stateOf({ givenUp }: ListedCallback): 'waiting' | 'given-up' {
  return givenUp ? 'given-up' : 'waiting';
}

function shown(callback: ListedCallback): object {
  const { createdAtMs, nextAtMs, giveUpAtMs, givenUp, ...rest } = callback;
  return {
    ...rest,
    state: stateOf(callback),
    createdAt: new Date(createdAtMs).toISOString(),
    nextAt: givenUp ? null : new Date(nextAtMs).toISOString(),
    giveUpAt: new Date(giveUpAtMs).toISOString(),
  };
}

function replayCommand(): Command {
  return new Command('replay')
    .description('send a callback again, now and for another 24 hours')
    .argument('[id]', 'the id in "callback list"', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .addOption(new Option('--msgid <msgid>', "a message's callback, delivered or not").argParser(parseMsgid))
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  feige callback replay 17\n  feige callback replay --msgid 100000042')
    .action(async (callbackId: number | undefined, options: JsonOption & { msgid?: number }) => {
      const { msgid } = options;
      if ((callbackId === undefined) === (msgid === undefined)) {
        throw new CommandFailure('give either the id of a callback or --msgid MSGID', EXIT_USAGE);
      }
      const { replayCallback } = await import('../store/outbox-admin.ts');
      const { readDatabaseNow } = await import('../store/database-clock.ts');
      const which = msgid === undefined ? { callbackId: callbackId ?? 0 } : { msgid };
      const replayed = await withDatabase(async (db) => replayCallback(db, which, await readDatabaseNow(db)));
      switch (replayed.kind) {
        case 'not-found':
          throw new CommandFailure(
            msgid === undefined ? `there is no callback ${callbackId ?? ''}` : `there is no message ${msgid}`,
          );
        case 'under-way':
          throw new CommandFailure('it is being sent at this moment');
        case 'nothing-owed':
          throw new CommandFailure(`message ${msgid ?? ''} has no final state yet, or no drurl`);
        case 'queued':
          print(options, replayed, () => `callback ${replayed.callbackIds.join(', ')} goes out again now`);
      }
    });
}
