/**
 * Telephone numbers of voice messages (point 29): domestic mobiles and landlines as they are dialled at home, and
 * international numbers. Which of them may be called is the allow-list's say (issue: toll fraud), not the pattern's.
 */
import { type Msisdn, parseMobile } from './phone-number.ts';

const HOME_COUNTRY_CODE = '886';
const MAX_INPUT_CHARACTERS = 64;
const BLANKS_AND_DASHES = /[\s()-]+/g;
/** Area code first; 020 to 021 are no area but premium-rate and special services. */
const LANDLINE = /^0(?:2[2-9]\d{7}|[3-8]\d{7,8})$/;
const LANDLINE_WITH_COUNTRY_CODE = /^\+?886(2[2-9]\d{7}|[3-8]\d{7,8})$/;

/** Undefined where the answer is -8. */
export function parsePhone(input: string): Msisdn | undefined {
  if (input.length > MAX_INPUT_CHARACTERS) return undefined;
  const compact = input.replace(BLANKS_AND_DASHES, '');
  if (LANDLINE.test(compact)) return { e164: HOME_COUNTRY_CODE + compact.slice(1), domestic: true };
  const landline = LANDLINE_WITH_COUNTRY_CODE.exec(compact)?.[1];
  if (landline !== undefined) return { e164: HOME_COUNTRY_CODE + landline, domestic: true };
  return parseMobile(compact);
}

/** Whether a number begins with one of the prefixes; an empty prefix allows every number. */
export function mayCall(prefixes: readonly string[], e164: string): boolean {
  return prefixes.some((prefix) => e164.startsWith(prefix));
}

/** Reads prefixes with country code, separated by commas or blanks; `*` stands for every number. */
export function parseAllowedPrefixes(config: string): string[] | { error: string } {
  const prefixes: string[] = [];
  for (const part of config.split(/[\s,]+/)) {
    if (part === '') continue;
    if (part !== '*' && !/^\d{1,15}$/.test(part))
      return { error: `"${part}" is not a prefix of 1 to 15 digits, nor *` };
    prefixes.push(part === '*' ? '' : part);
  }
  return prefixes;
}
