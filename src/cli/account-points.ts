/** `feige account topup` and `feige account statement`: points in, and where every point went. */
import { Command, Option } from 'commander';
import type { Database } from '../store/database.ts';
import type { ChargedMessage, StatementEntry } from '../store/ledger.ts';
import { CommandFailure, EXIT_USAGE, noSuchAccount } from './failure.ts';
import { count, type JsonOption, print, tableOr, taipei } from './output.ts';
import { withDatabase } from './platform.ts';
import { jsonOption, parsePointsMoved, wholeNumber } from './values.ts';

const MAX_NOTE_CHARACTERS = 200;

/** Movements on one statement; older ones with --before. */
const MAX_ENTRIES = 100_000;
const MAX_MESSAGES = 100_000;
/** Charges whose messages are read at once; a batch has 500 at the most. */
const CHARGES_A_READ = 200;

export function topupCommand(): Command {
  return new Command('topup')
    .description('add points, or take wrong ones away')
    .argument('<username>', 'the account')
    .argument('[points]', 'how many, the same as --points', parsePointsMoved)
    .addOption(
      new Option('--points <number>', 'how many; a negative number is a correction').argParser(parsePointsMoved),
    )
    .option('--correction', 'note it as a correction, not as a top-up')
    .option('--note <text>', 'a remark for the statement')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  feige account topup shop --points 5000 --note "invoice 17"\n  feige account topup shop --points -20 --note "typed one zero too many"',
    )
    .action(
      async (
        username: string,
        given: number | undefined,
        options: JsonOption & { points?: number; correction?: true; note?: string },
      ) => {
        const points = options.points ?? given;
        if (points === undefined || points === 0 || (given !== undefined && given !== points)) {
          throw new CommandFailure('give one number of points that is not 0: --points N', EXIT_USAGE);
        }
        if ((options.note ?? '').length > MAX_NOTE_CHARACTERS) {
          throw new CommandFailure(`--note takes at most ${MAX_NOTE_CHARACTERS} characters`, EXIT_USAGE);
        }
        const kind = points < 0 || options.correction === true ? 'correction' : 'topup';
        const { movePoints } = await import('../store/ledger.ts');
        const moved = await withDatabase((db) =>
          movePoints(db, { username, kind, points, note: options.note ?? null }),
        );
        if (moved.kind === 'unknown-account') throw noSuchAccount(username);
        if (moved.kind === 'below-zero') {
          throw new CommandFailure(
            `${username} has ${count(moved.balance, 'point')}; ${-points} cannot be taken away, a balance never falls below zero`,
          );
        }
        print(
          options,
          { username, entryId: moved.entryId, kind, points, balance: moved.balance },
          () => `${username}: ${kind} of ${points}, has ${count(moved.balance, 'point')} now`,
        );
      },
    );
}

export function statementCommand(): Command {
  return new Command('statement')
    .description("list every movement of an account's points, newest first")
    .argument('<username>', 'the account')
    .addOption(
      new Option('--limit <number>', 'how many movements at the most')
        .argParser(wholeNumber(1, MAX_ENTRIES))
        .default(MAX_ENTRIES),
    )
    .addOption(
      new Option('--before <entry>', 'only movements older than this one').argParser(
        wholeNumber(1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .option('--messages', 'expand charges to their messages')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nOne charge stands for the messages of the account that were accepted together.\n\nExamples:\n  feige account statement shop --limit 20\n  feige account statement shop --messages --json',
    )
    .action(async (username: string, options: JsonOption & { limit: number; before?: number; messages?: true }) => {
      const { displayMobile } = await import('../domain/phone-number.ts');
      const { entries, messages } = await withDatabase((db) => read(db, username, options));
      const byEntry = Map.groupBy(messages, (message) => message.entryId);
      print(
        options,
        entries.map((entry) =>
          shown(entry, options.messages === true ? (byEntry.get(entry.entryId) ?? []) : undefined, displayMobile),
        ),
        () => describe(entries, byEntry, displayMobile),
      );
      if (entries.length === options.limit) {
        process.stderr.write(`older movements: --before ${entries.at(-1)?.entryId ?? 0}\n`);
      }
    });
}

async function read(
  db: Database,
  username: string,
  options: { limit: number; before?: number; messages?: true },
): Promise<{ entries: StatementEntry[]; messages: ChargedMessage[] }> {
  const { showAccount } = await import('../store/account-admin.ts');
  const { readChargedMessages, readStatement } = await import('../store/ledger.ts');
  const account = await showAccount(db, username);
  if (account === undefined) throw noSuchAccount(username);
  const { accountId } = account;
  const entries = await readStatement(db, { accountId, limit: options.limit, before: options.before ?? null });
  const messages: ChargedMessage[] = [];
  if (options.messages !== true) return { entries, messages };
  const charges = entries.filter((entry) => entry.kind === 'charge').map((entry) => entry.entryId);
  for (let start = 0; start < charges.length; start += CHARGES_A_READ) {
    const entryIds = charges.slice(start, start + CHARGES_A_READ);
    messages.push(...(await readChargedMessages(db, { entryIds, limit: MAX_MESSAGES })));
    if (messages.length > MAX_MESSAGES) {
      throw new CommandFailure(`more than ${MAX_MESSAGES} messages; ask for fewer movements with --limit`);
    }
  }
  return { entries, messages };
}

type Display = (e164: string) => string;

function shown({ atMs, ...entry }: StatementEntry, messages: ChargedMessage[] | undefined, display: Display): object {
  const movement = { ...entry, at: new Date(atMs).toISOString() };
  if (messages === undefined || entry.kind !== 'charge') return movement;
  return {
    ...movement,
    chargedMessages: messages.map(({ msgid, acceptedAtMs, mobile, segments, points, refunded, state }) => ({
      msgid,
      acceptedAt: new Date(acceptedAtMs).toISOString(),
      mobile: display(mobile),
      segments,
      points,
      refunded,
      state,
    })),
  };
}

function describe(entries: StatementEntry[], byEntry: Map<number, ChargedMessage[]>, display: Display): string {
  const rows = entries.flatMap((entry) => [
    [entry.entryId, taipei(entry.atMs), entry.kind, entry.points, entry.balance, what(entry)],
    ...(byEntry.get(entry.entryId) ?? []).map((message) => [
      '',
      '',
      '',
      '',
      '',
      `  ${message.msgid} ${display(message.mobile)} ${count(message.points, 'point')}, ${message.refunded} refunded, ${message.state ?? 'under way'}`,
    ]),
  ]);
  return tableOr('no movements', ['entry', 'time', 'kind', 'points', 'balance', 'what'], rows);
}

function what(entry: StatementEntry): string {
  if (entry.kind === 'refund') return `msgid ${entry.firstMsgid ?? ''}`;
  if (entry.kind !== 'charge') return entry.note ?? '';
  const range = entry.firstMsgid === entry.lastMsgid ? entry.firstMsgid : `${entry.firstMsgid} to ${entry.lastMsgid}`;
  return `${count(entry.messages, 'message')}: msgid ${range ?? ''}`;
}
