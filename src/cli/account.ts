/** `feige account …`: accounts and their settings. Their points are in account-points.ts. */
import { Command, Option } from 'commander';
import ipaddr from 'ipaddr.js';
import { isWellFormedUsername } from '../domain/credentials.ts';
import type { AccountRecord, AccountSettings } from '../store/account-admin.ts';
import { statementCommand, topupCommand } from './account-points.ts';
import { CommandFailure, EXIT_USAGE, noSuchAccount } from './failure.ts';
import { type JsonOption, onOff, pairs, print, tableOr, taipei } from './output.ts';
import { type PasswordOptions, passwordOptions, requireAccountPassword } from './password-input.ts';
import { withDatabase } from './platform.ts';
import { refuseForbiddenPush } from './push-address.ts';
import {
  isNone,
  jsonOption,
  parseIncomingUrl,
  parsePoints,
  parseShare,
  parseSourceAddress,
  switchOption,
} from './values.ts';

interface SettingOptions {
  state?: AccountSettings['state'];
  api?: boolean;
  international?: boolean;
  ip?: readonly string[];
  textEncoding?: AccountSettings['textEncoding'];
  doubleEncoding?: AccountSettings['doubleEncoding'];
  /** Empty: no longer set; the same of the sender. */
  incomingUrl?: string;
  sourceAddress?: string;
  share?: number;
}

export function accountCommand(): Command {
  const account = new Command('account');
  account.addCommand(createCommand());
  account.addCommand(setCommand());
  account.addCommand(listCommand());
  account.addCommand(showCommand());
  account.addCommand(passwordCommand());
  account.addCommand(topupCommand());
  account.addCommand(statementCommand());
  return account;
}

function withSettings(command: Command): Command {
  return command
    .addOption(new Option('--state <state>', 'whether it may do anything at all').choices(['active', 'disabled']))
    .addOption(switchOption('--api', 'whether it may use the API'))
    .addOption(switchOption('--international', 'whether it may send abroad'))
    .addOption(
      new Option('--ip <cidr,...>', 'addresses and CIDR blocks it may be used from, or none for everywhere').argParser(
        parseIpList,
      ),
    )
    .addOption(
      new Option('--text-encoding <encoding>', 'what its percent-bytes are; auto tells UTF-8 from Big5').choices([
        'auto',
        'utf-8',
        'big5',
      ]),
    )
    .addOption(
      new Option('--double-encoding <when>', 'whether a message that was URL-encoded twice is decoded twice').choices([
        'auto',
        'always',
        'never',
      ]),
    )
    .addOption(
      new Option('--incoming-url <url>', 'where incoming messages are pushed to, or none').argParser(parseIncomingUrl),
    )
    .addOption(
      new Option('--source-address <sender>', "sender instead of the operator's own, or none").argParser(
        parseSourceAddress,
      ),
    )
    .addOption(
      new Option('--share <number>', 'its share of the throughput beside other accounts, 1 unless set').argParser(
        parseShare,
      ),
    );
}

/** Addresses become blocks of one address; `none` and the empty string stand for no restriction. */
function parseIpList(value: string): readonly string[] {
  if (isNone(value)) return [];
  return value.split(',').map((part) => {
    const text = part.trim();
    if (ipaddr.isValidCIDR(text)) return text;
    if (ipaddr.IPv4.isValidFourPartDecimal(text)) return `${text}/32`;
    if (ipaddr.IPv6.isValid(text)) return `${text}/128`;
    throw new CommandFailure(
      `--ip: "${text}" is neither an address nor a CIDR block; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32, with commas between them, or none`,
      EXIT_USAGE,
    );
  });
}

function settingsOf(options: SettingOptions): Partial<AccountSettings> {
  const { state, api, international, ip, textEncoding, doubleEncoding, incomingUrl, sourceAddress, share } = options;
  return {
    ...(state !== undefined && { state }),
    ...(api !== undefined && { api }),
    ...(international !== undefined && { international }),
    ...(ip !== undefined && { ipAllow: ip }),
    ...(textEncoding !== undefined && { textEncoding }),
    ...(doubleEncoding !== undefined && { doubleEncoding }),
    ...(incomingUrl !== undefined && { incomingUrl: incomingUrl || null }),
    ...(sourceAddress !== undefined && { sourceAddress: sourceAddress || null }),
    ...(share !== undefined && { share }),
  };
}

function createCommand(): Command {
  const [password, passwordStdin] = passwordOptions('4 to 64 printable ASCII characters');
  return withSettings(
    new Command('create')
      .description('make an account')
      .requiredOption('--username <name>', '1 to 32 characters: letters, digits, "_", ".", "-", "@"')
      .addOption(password)
      .addOption(passwordStdin)
      .addOption(new Option('--points <number>', 'points to begin with').argParser(parsePoints).default(0)),
  )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  feige account create --username shop --password-stdin --points 1000 < secret.txt\n  feige account create --username shop --password-stdin --international on --ip 192.0.2.0/24 < secret.txt',
    )
    .action(async (options: JsonOption & PasswordOptions & SettingOptions & { username: string; points: number }) => {
      const { username, points } = options;
      if (!isWellFormedUsername(username)) {
        throw new CommandFailure(
          'the username must be 1 to 32 characters, each a letter, a digit, "_", ".", "-" or "@"',
          EXIT_USAGE,
        );
      }
      await refuseForbiddenPush(options.incomingUrl);
      const password = await requireAccountPassword(options);
      const { hashPassword } = await import('../base/password.ts');
      const { createAccount } = await import('../store/account-admin.ts');
      const created = await withDatabase(async (db) =>
        createAccount(db, {
          username,
          passwordHash: await hashPassword(password),
          points,
          settings: settingsOf(options),
        }),
      );
      if (created.kind === 'exists') throw new CommandFailure(`there is an account ${username} already`);
      print(options, shown(created.account), () => describe(created.account));
    });
}

function setCommand(): Command {
  return withSettings(
    new Command('set').description('change settings of an account').argument('<username>', 'the account'),
  )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nWhat is not given stays as it is. A change holds on every node within 5 seconds.\n\nExamples:\n  feige account set shop --state disabled\n  feige account set shop --api on --international on --ip 192.0.2.1,2001:db8::/32\n  feige account set shop --incoming-url https://shop.example/sms --ip none',
    )
    .action(async (username: string, options: JsonOption & SettingOptions) => {
      const change = settingsOf(options);
      if (Object.keys(change).length === 0) {
        throw new CommandFailure('nothing to change: give a setting, see "account set --help"', EXIT_USAGE);
      }
      await refuseForbiddenPush(options.incomingUrl);
      const { setAccount } = await import('../store/account-admin.ts');
      const account = await withDatabase((db) => setAccount(db, username, change));
      if (account === undefined) throw noSuchAccount(username);
      print(options, shown(account), () => describe(account));
    });
}

function listCommand(): Command {
  return new Command('list')
    .description('list all accounts with their points')
    .addOption(jsonOption())
    .action(async (options: JsonOption) => {
      const { listAccounts } = await import('../store/account-admin.ts');
      const accounts = await withDatabase(listAccounts);
      print(options, accounts.map(shown), () =>
        tableOr(
          'no accounts',
          ['username', 'points', 'state', 'api', 'international', 'ip'],
          accounts.map((account) => [
            account.username,
            account.balance,
            account.state,
            onOff(account.api),
            onOff(account.international),
            account.ipAllow.join(',') || 'everywhere',
          ]),
        ),
      );
    });
}

function showCommand(): Command {
  return new Command('show')
    .description('show an account with all its settings')
    .argument('<username>', 'the account')
    .addOption(jsonOption())
    .action(async (username: string, options: JsonOption) => {
      const { showAccount } = await import('../store/account-admin.ts');
      const account = await withDatabase((db) => showAccount(db, username));
      if (account === undefined) throw noSuchAccount(username);
      print(options, shown(account), () => describe(account));
    });
}

function passwordCommand(): Command {
  const [password, passwordStdin] = passwordOptions('the new password, 4 to 64 printable ASCII characters');
  return new Command('password')
    .description('give an account a new password')
    .argument('<username>', 'the account')
    .addOption(password)
    .addOption(passwordStdin)
    .addOption(jsonOption())
    .addHelpText('after', '\nThe old password is refused on every node within 5 seconds.')
    .action(async (username: string, options: JsonOption & PasswordOptions) => {
      const newPassword = await requireAccountPassword(options);
      const { hashPassword } = await import('../base/password.ts');
      const { setPasswordHash } = await import('../store/account-admin.ts');
      const known = await withDatabase(async (db) => setPasswordHash(db, username, await hashPassword(newPassword)));
      if (!known) throw noSuchAccount(username);
      print(options, { username, password: 'changed' }, () => `${username} has a new password`);
    });
}

/** An account as JSON shows it: by the options' names, times as ISO 8601. */
function shown({ accountId, createdAtMs, balance, ipAllow, ...rest }: AccountRecord): object {
  return { accountId, ...rest, ip: ipAllow, points: balance, createdAt: new Date(createdAtMs).toISOString() };
}

function describe(account: AccountRecord): string {
  return pairs([
    ['username', account.username],
    ['points', account.balance],
    ['state', account.state],
    ['api', onOff(account.api)],
    ['international', onOff(account.international)],
    ['ip', account.ipAllow.join(',') || 'everywhere'],
    ['text-encoding', account.textEncoding],
    ['double-encoding', account.doubleEncoding],
    ['incoming-url', account.incomingUrl ?? 'none'],
    ['source-address', account.sourceAddress ?? "the operator's"],
    ['share', account.share],
    ['created', taipei(account.createdAtMs)],
  ]);
}
