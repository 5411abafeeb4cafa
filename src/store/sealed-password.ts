/**
 * The password in the settings of an operator or a trunk. In the database it is `{"sealed": "v1.…"}`, which opens in
 * its own row only; in memory it is the password to send. Older rows, with the plain password, are read too. A password
 * that can't be opened is not a fault: whoever uses the settings learns why and goes without it.
 */
import { FeigeError } from '../base/errors.ts';
import type { SecretKeys } from '../base/secret-keys.ts';

/** Stands in settings for a password that is there and can't be opened; never to be sent. */
const UNREADABLE = '********';

export type PasswordForm =
  /** There is none, or an empty one. */
  | 'none'
  | 'plain'
  | 'sealed'
  /** Under another key than the one that seals now. */
  | 'sealed-before'
  | 'unreadable';

export interface OpenedSettings {
  /** As stored, with the password in the clear; not judged in any other way. */
  settings: unknown;
  form: PasswordForm;
  /** Why the password is not in `settings`, and what to do. */
  problem?: string;
}

/** Where a row's password opens. Names are unique in their table and never change. */
export type Place = `${'operators' | 'trunks'}/${string}`;

export function openSettings(stored: unknown, keys: SecretKeys | undefined, place: Place): OpenedSettings {
  const password = passwordOf(stored);
  if (typeof password === 'string') return { settings: stored, form: password === '' ? 'none' : 'plain' };
  if (password === undefined) return { settings: stored, form: 'none' };
  const opened = keys?.open(password.sealed, place) ?? { kind: 'no-key' as const, keyId: keyIdOf(password.sealed) };
  if (opened.kind === 'opened') {
    return { settings: withPassword(stored, opened.text), form: opened.isCurrent ? 'sealed' : 'sealed-before' };
  }
  const problem =
    opened.kind === 'no-key'
      ? `its password is sealed under the key ${opened.keyId}, which is not among those given (${keys?.ids.join(', ') || 'none'}): give that one too, in SECRET_KEY or SECRET_KEY_FILE, or set the password anew`
      : 'its sealed password was changed, or belongs to another row: set it anew';
  return { settings: withPassword(stored, UNREADABLE), form: 'unreadable', problem };
}

/**
 * Settings as they are stored. A password that did not change stays in the form in which it is stored, one that can't
 * be opened too; a new one is sealed. Throws SECRET_KEY_MISSING when it can't be.
 * @param options.stored what the row holds, when there is one
 * @param options.isPublished known to everybody: stays as it is when there is no key
 */
export function settingsToStore(
  settings: { readonly password?: string },
  options: { keys: SecretKeys | undefined; place: Place; stored?: unknown; isPublished?: boolean },
): string {
  const { keys, place, stored, isPublished = false } = options;
  const { password } = settings;
  if (password === undefined || password === '') return JSON.stringify(settings);
  const before = stored === undefined ? undefined : openSettings(stored, keys, place);
  if (before !== undefined && passwordOf(before.settings) === password) {
    const canBeBetter = before.form === 'plain' && keys?.currentId !== undefined;
    if (!canBeBetter) return JSON.stringify({ ...settings, password: passwordOf(stored) });
  }
  if (keys === undefined || (isPublished && keys.currentId === undefined)) return JSON.stringify(settings);
  if (keys.currentId === undefined) throw noKey();
  return JSON.stringify({ ...settings, password: { sealed: keys.seal(password, place) } });
}

/** The stored settings with their password sealed under the current key; `opened` is what `openSettings` gave. */
export function sealedAnew(opened: OpenedSettings, keys: SecretKeys, place: Place): string {
  const password = passwordOf(opened.settings);
  if (typeof password !== 'string') throw new Error('only an opened password can be sealed');
  return JSON.stringify(withPassword(opened.settings, { sealed: keys.seal(password, place) }));
}

export function noKey(): FeigeError {
  const message =
    'passwords are stored sealed, and there is no key: set SECRET_KEY or SECRET_KEY_FILE, the same for all nodes and for the command line; "feige secret key" makes one';
  return new FeigeError('SECRET_KEY_MISSING', message);
}

function passwordOf(settings: unknown): string | { sealed: string } | undefined {
  if (typeof settings !== 'object' || settings === null || !('password' in settings)) return undefined;
  const { password } = settings;
  if (typeof password === 'string') return password;
  if (typeof password !== 'object' || password === null || !('sealed' in password)) return undefined;
  return typeof password.sealed === 'string' ? { sealed: password.sealed } : undefined;
}

function withPassword(settings: unknown, password: string | { sealed: string }): unknown {
  return { ...(settings as object), password };
}

function keyIdOf(sealed: string): string {
  return sealed.split('.')[1] ?? '';
}
