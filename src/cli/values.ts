/**
 * Values as they are written on the command line. A wrong one is refused with what is allowed; passwords are judged
 * apart, so that no message repeats them.
 */
import { InvalidArgumentError, Option } from 'commander';

/** Far more points than there are messages to send, and far below what a number loses digits at. */
const MAX_POINTS = 1e12;
const MIN_MSGID = 100_000_000;
const MAX_MSGID = 99_999_999_999;

export function jsonOption(): Option {
  return new Option('--json', 'print one JSON document');
}

/** `--name on|off`. */
export function switchOption(flags: string, description: string): Option {
  return new Option(`${flags} <on|off>`, description).argParser(parseSwitch);
}

export function parseSwitch(value: string): boolean {
  if (value === 'on') return true;
  if (value === 'off') return false;
  throw new InvalidArgumentError('It must be on or off.');
}

export function wholeNumber(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^-?\d{1,15}$/.test(value) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

export const parsePoints = wholeNumber(0, MAX_POINTS);
export const parsePointsMoved = wholeNumber(-MAX_POINTS, MAX_POINTS);

export function parseMsgid(value: string): number {
  const number = Number(value);
  if (/^\d{8,11}$/.test(value) && number <= MAX_MSGID) return number;
  throw new InvalidArgumentError(`It must be a msgid: 8 to 11 digits, such as ${MIN_MSGID}.`);
}

const MIN_SHARE = 0.001;
const MAX_SHARE = 1_000;

export function parseShare(value: string): number {
  const number = Number(value);
  if (/^\d+(\.\d+)?$/.test(value) && number >= MIN_SHARE && number <= MAX_SHARE) return number;
  throw new InvalidArgumentError(`It must be a number from ${MIN_SHARE} to ${MAX_SHARE}.`);
}

/** Empty for `none`: no longer set (a parser cannot give null, which the command line takes for no value). */
export function parseIncomingUrl(value: string): string {
  if (isNone(value)) return '';
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!isWeb || url.username !== '' || url.password !== '' || value.length > MAX_URL_CHARACTERS) {
    throw new InvalidArgumentError(
      `It must be an http or https URL without credentials, of at most ${MAX_URL_CHARACTERS} characters, or none.`,
    );
  }
  return value;
}

const MAX_URL_CHARACTERS = 2_000;

/** SMPP 3.4 §5.2.8: up to 20 digits, or up to 11 characters of an alphanumeric sender; empty for `none`. */
export function parseSourceAddress(value: string): string {
  if (isNone(value)) return '';
  if (/^\+?\d{1,20}$/.test(value) || /^[\x20-\x7e]{1,11}$/.test(value)) return value;
  throw new InvalidArgumentError('It must be 1 to 20 digits, 1 to 11 printable ASCII characters, or none.');
}

export function isNone(value: string): boolean {
  return value === '' || value === 'none';
}

export function parseSnumber(value: string): string {
  if (/^[0-9]{5}$/.test(value)) return value;
  throw new InvalidArgumentError('It must be 5 digits, such as 12345.');
}

/** The address as an operator writes it in deliver_sm, without a plus sign or blanks. */
export function parseAddress(value: string): string {
  const address = value.replace(/^\+/, '').replace(/[\s-]/g, '');
  if (/^[0-9A-Za-z]{1,20}$/.test(address)) return address;
  throw new InvalidArgumentError('It must be 1 to 20 digits or letters.');
}

const MAX_WORD_CHARACTERS = 100;

export function parseWord(value: string): string {
  const word = value.trim();
  if (word !== '' && word.length <= MAX_WORD_CHARACTERS && !/\p{Cc}/u.test(word)) return word;
  throw new InvalidArgumentError(`It must be 1 to ${MAX_WORD_CHARACTERS} characters, not all of them blank.`);
}

export function parseOperatorName(value: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/.test(value)) return value;
  throw new InvalidArgumentError('It must be 1 to 32 letters, digits, "_", "." or "-", a letter or digit first.');
}
