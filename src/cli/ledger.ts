/** `feige ledger check`: whether every balance and statement agree. */
import { Command } from 'commander';
import type { LedgerMismatch } from '../store/ledger.ts';
import { EXIT_FAILED } from './failure.ts';
import { count, type JsonOption, print, taipei } from './output.ts';
import { withDatabase } from './platform.ts';
import { jsonOption } from './values.ts';

export function ledgerCommand(): Command {
  const ledger = new Command('ledger');
  ledger.addCommand(
    new Command('check')
      .description('check that balances, statements and messages agree; exit code 1 when they do not')
      .addOption(jsonOption())
      .addHelpText(
        'after',
        '\nFor every account: its balance is the sum of its movements, each charge is the points of its messages, and\nits refunds are what the messages say. Reads one moment of a running platform and locks nothing.',
      )
      .action(async (options: JsonOption) => {
        const { checkLedger } = await import('../store/ledger.ts');
        const report = await withDatabase(checkLedger);
        const { accounts, mismatches } = report;
        print(options, { agrees: mismatches.length === 0, ...report }, () =>
          mismatches.length === 0
            ? `balance and statement agree for ${accounts === 1 ? 'the one account' : `all ${accounts} accounts`}`
            : [`${count(mismatches.length, 'mismatch', 'mismatches')}:`, ...mismatches.map(describe)].join('\n'),
        );
        if (mismatches.length > 0) process.exitCode = EXIT_FAILED;
      }),
  );
  return ledger;
}

function describe(mismatch: LedgerMismatch): string {
  const who = mismatch.username ?? `account ${mismatch.accountId} (gone)`;
  switch (mismatch.check) {
    case 'balance':
      return `  ${who}: the balance is ${mismatch.balance}, the movements sum up to ${mismatch.ledger}`;
    case 'charges':
      return `  ${who}: charged ${mismatch.ledger} at ${taipei(mismatch.atMs)} (entry ${mismatch.entryId ?? 'missing'}), the messages cost ${mismatch.messages}`;
    case 'refunds':
      return `  ${who}: refunded ${mismatch.ledger}, the messages say ${mismatch.messages}`;
  }
}
