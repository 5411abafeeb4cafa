/**
 * Mobile numbers as customers write them and MSISDNs as operators do (spec/README point 20). Domestic numbers are
 * decided by pattern alone: libphonenumber takes 15 µs a call, and is asked only about numbers abroad.
 */
import { parsePhoneNumberFromString } from 'libphonenumber-js/min';

/** `e164` is digits with the country code and no plus sign. */
export interface Msisdn {
  e164: string;
  domestic: boolean;
}

const HOME_COUNTRY_CODE = '886';
const MAX_INPUT_CHARACTERS = 64;
const DOMESTIC = /^09\d{8}$/;
const DOMESTIC_WITH_COUNTRY_CODE = /^\+?8869\d{8}$/;
const ABROAD = /^\+?[1-9]\d{5,14}$/;
const BLANKS_AND_DASHES = /[\s-]+/g;

/** The recipient of a send request, or undefined where the answer is 00100: nothing but mobiles under 886. */
export function parseMobile(input: string): Msisdn | undefined {
  if (DOMESTIC.test(input)) return { e164: HOME_COUNTRY_CODE + input.slice(1), domestic: true };
  if (input.length > MAX_INPUT_CHARACTERS) return undefined;
  const compact = input.replace(BLANKS_AND_DASHES, '');
  if (DOMESTIC.test(compact)) return { e164: HOME_COUNTRY_CODE + compact.slice(1), domestic: true };
  if (DOMESTIC_WITH_COUNTRY_CODE.test(compact)) return { e164: compact.replace('+', ''), domestic: true };
  return ABROAD.test(compact) ? parseAbroad(compact.replace('+', '')) : undefined;
}

function parseAbroad(digits: string): Msisdn | undefined {
  if (digits.startsWith(HOME_COUNTRY_CODE)) return undefined;
  const number = parsePhoneNumberFromString(`+${digits}`);
  if (number === undefined || !number.isPossible()) return undefined;
  // Its own form, since it drops a trunk prefix that was left in: +44 (0)7700 … is +44 7700 ….
  return { e164: number.number.slice(1), domestic: false };
}

const AT_HOME = /^886[2-9]\d{7,8}$/;

/** How answers and callbacks show a number (point 14): 09… at home, digits with the country code abroad. */
export function displayMobile(e164: string): string {
  return AT_HOME.test(e164) ? `0${e164.slice(HOME_COUNTRY_CODE.length)}` : e164;
}

const ADDRESS = /^\+?\d{7,17}$/;
const MIN_E164_DIGITS = 7;
const MAX_E164_DIGITS = 15;

/**
 * E.164 digits of an address as an operator sends it: +886…, 886…, 00886…, 8860…, 09…, or 9… as TON "national" has
 * it. Undefined for what is no subscriber: short codes and alphanumeric senders.
 */
export function parseAnyMsisdn(input: string): string | undefined {
  if (input.length > MAX_INPUT_CHARACTERS) return undefined;
  const compact = input.replace(BLANKS_AND_DASHES, '');
  if (!ADDRESS.test(compact)) return undefined;
  const digits = compact.startsWith('+') ? compact.slice(1) : withCountryCode(compact);
  const e164 = digits.startsWith('8860') ? HOME_COUNTRY_CODE + digits.slice(4) : digits;
  return e164.startsWith('0') || e164.length < MIN_E164_DIGITS || e164.length > MAX_E164_DIGITS ? undefined : e164;
}

function withCountryCode(digits: string): string {
  if (digits.startsWith('00')) return digits.slice(2);
  if (digits.startsWith('0')) return HOME_COUNTRY_CODE + digits.slice(1);
  return digits.length === 9 && digits.startsWith('9') ? HOME_COUNTRY_CODE + digits : digits;
}
