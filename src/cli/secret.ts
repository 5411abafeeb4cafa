/** `feige secret …`: the keys that the passwords of operators and trunks are sealed under. Shows neither of them. */
import { Command } from 'commander';
import type { StoredPassword } from '../store/seal-passwords.ts';
import { EXIT_FAILED } from './failure.ts';
import { count, type JsonOption, print, tableOr } from './output.ts';
import { withDatabase } from './platform.ts';
import { jsonOption } from './values.ts';

export function secretCommand(): Command {
  const secret = new Command('secret');
  for (const command of [keyCommand(), statusCommand(), rotateCommand()]) secret.addCommand(command);
  return secret;
}

function keyCommand(): Command {
  return new Command('key')
    .description('print a new random key for SECRET_KEY; stores nothing')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  (umask 077; feige secret key > /etc/feige.key)    # SECRET_KEY_FILE=/etc/feige.key',
    )
    .action(async (options: JsonOption) => {
      const { makeSecretKey } = await import('../base/secret-keys.ts');
      const key = makeSecretKey();
      print(options, { key }, () => key);
    });
}

function statusCommand(): Command {
  return new Command('status')
    .description('list stored passwords and how they are stored; exit code 1 when one is plain or cannot be read')
    .addOption(jsonOption())
    .action(async (options: JsonOption) => {
      const { listPasswords } = await import('../store/seal-passwords.ts');
      const { ids, passwords } = await withDatabase(async (db) => ({
        ids: db.keys?.ids ?? [],
        passwords: await listPasswords(db),
      }));
      print(options, { keys: ids, passwords }, () => describe(ids, passwords));
      if (passwords.some(({ form }) => form === 'plain' || form === 'unreadable')) process.exitCode = EXIT_FAILED;
    });
}

const FORMS: Record<StoredPassword['form'], string> = {
  none: 'none',
  plain: 'as it is: run "feige secret rotate" with a key',
  sealed: 'sealed',
  'sealed-before': 'sealed under an older key: run "feige secret rotate"',
  unreadable: 'unreadable',
};

function describe(ids: readonly string[], passwords: readonly StoredPassword[]): string {
  const [current, ...older] = ids;
  const keys = current === undefined ? 'no key is given' : `sealing key ${[current, ...older].join(', older ')}`;
  const rows = passwords.map(({ kind, name, form, problem }) => [kind, name, problem ?? FORMS[form]]);
  return `${keys}\n${tableOr('no passwords are stored', ['kind', 'name', 'password'], rows)}`;
}

function rotateCommand(): Command {
  return new Command('rotate')
    .description('seal every stored password under the first key of SECRET_KEY; exit code 1 when one cannot be read')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nTo change the key: put the new one before the old one (SECRET_KEY=NEW,OLD) on every node and restart one after\nthe other, run this with the same setting, then take the old key away in the same manner. Links stay bound. Also\nseals what was stored before there was a key.',
    )
    .action(async (options: JsonOption) => {
      const { listPasswords, sealPasswords } = await import('../store/seal-passwords.ts');
      const { sealed, unreadable } = await withDatabase(async (db) => ({
        sealed: await sealPasswords(db, ['plain', 'sealed-before']),
        unreadable: (await listPasswords(db)).filter(({ form }) => form === 'unreadable'),
      }));
      print(options, { sealed, unreadable }, () =>
        [
          `sealed ${count(sealed.length, 'password')} anew`,
          ...unreadable.map(({ kind, name, problem = '' }) => `${kind} ${name}: ${problem}`),
        ].join('\n'),
      );
      if (unreadable.length > 0) process.exitCode = EXIT_FAILED;
    });
}
