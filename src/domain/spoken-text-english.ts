/** Figures in English words; years in pairs, minutes with "oh", Taiwan's currency by its letters. */
import type { Currency, PlainNumber, SpokenDate, SpokenTime, Wording } from './spoken-text-wording.ts';

const SMALL =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  );
const TENS = 'zero ten twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
const GROUPS = ['', ' thousand', ' million', ' billion', ' trillion'] as const;
const GROUP_DIGITS = 3;
const MAX_CARDINAL_DIGITS = GROUP_DIGITS * GROUPS.length;
const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const IRREGULAR_ORDINALS: ReadonlyMap<string, string> = new Map([
  ['one', 'first'],
  ['two', 'second'],
  ['three', 'third'],
  ['five', 'fifth'],
  ['eight', 'eighth'],
  ['nine', 'ninth'],
  ['twelve', 'twelfth'],
]);

const CURRENCY_WORDS: Readonly<Record<Currency, string>> = {
  TWD: 'N T dollars',
  USD: 'U S dollars',
  HKD: 'Hong Kong dollars',
  JPY: 'yen',
  CNY: 'yuan',
  EUR: 'euros',
  GBP: 'pounds',
  plain: 'dollars',
};

const UNITS: ReadonlyMap<string, string> = new Map([
  ['km/h', ' kilometers per hour'],
  ['kWh', ' kilowatt hours'],
  ['kg', ' kilograms'],
  ['km', ' kilometers'],
  ['cm', ' centimeters'],
  ['mm', ' millimeters'],
  ['ml', ' milliliters'],
  ['mL', ' milliliters'],
]);

export const ENGLISH: Wording = {
  signs: {
    dot: ' dot ',
    slash: ' slash ',
    dash: ' dash ',
    at: ' at ',
    plus: ' plus ',
    minus: 'minus ',
    and: ' and ',
    to: ' to ',
    times: ' times ',
    equals: ' equals ',
    ratio: ' to ',
  },
  pause: ', ',
  stop: '. ',
  question: '? ',
  exclamation: '! ',
  extension: ' extension ',
  units: UNITS,
  countedThing:
    /^\s?(?:dollars?|points?|people|items?|times|days?|hours?|minutes?|seconds?|years?|months?|weeks?|km|kg|cm|mm|ml|GB|MB|TB|%)(?![A-Za-z])/i,
  digits: (groups) => groups.map(digitByDigit).join(', '),
  quantity: (number) => decimal(number),
  ordinal,
  fraction: (numerator, denominator) => `${cardinal(numerator)} over ${cardinal(denominator)}`,
  date,
  time,
  money,
  percent: (number) => `${decimal(number)} percent`,
  celsius: (number, belowZero) => `${belowZero ? 'minus ' : ''}${decimal(number)} degrees Celsius`,
};

function digitByDigit(digits: string): string {
  return Array.from(digits, (digit) => SMALL[Number(digit)] ?? digit).join(' ');
}

function cardinal(digits: string): string {
  const significant = digits.replace(/^0+(?=\d)/, '');
  if (significant.length > MAX_CARDINAL_DIGITS) return digitByDigit(digits);
  if (significant === '0') return 'zero';
  const words: string[] = [];
  for (let group = Math.ceil(significant.length / GROUP_DIGITS) - 1; group >= 0; group--) {
    const end = significant.length - group * GROUP_DIGITS;
    const value = Number(significant.slice(Math.max(0, end - GROUP_DIGITS), end));
    if (value > 0) words.push(belowThousand(value) + (GROUPS[group] ?? ''));
  }
  return words.join(' ');
}

function belowThousand(value: number): string {
  const hundreds = Math.floor(value / 100);
  const rest = value % 100;
  const head = hundreds === 0 ? '' : `${SMALL[hundreds]} hundred`;
  if (rest === 0) return head;
  const tail =
    rest < 20 ? SMALL[rest] : `${TENS[Math.floor(rest / 10)]}${rest % 10 === 0 ? '' : `-${SMALL[rest % 10]}`}`;
  return head === '' ? String(tail) : `${head} ${tail}`;
}

function decimal(number: PlainNumber): string {
  const [whole = '0', fraction] = number.split('.');
  return fraction === undefined ? cardinal(whole) : `${cardinal(whole)} point ${digitByDigit(fraction)}`;
}

function ordinal(digits: string): string {
  const words = cardinal(digits);
  const lastAt = Math.max(words.lastIndexOf(' '), words.lastIndexOf('-')) + 1;
  const last = words.slice(lastAt);
  const regular = last.endsWith('y') ? `${last.slice(0, -1)}ieth` : `${last}th`;
  return words.slice(0, lastAt) + (IRREGULAR_ORDINALS.get(last) ?? regular);
}

function date({ year, month, day }: SpokenDate): string {
  const monthAndDay = `${MONTHS[month - 1]} ${ordinal(String(day))}`;
  return year === undefined ? monthAndDay : `${monthAndDay}, ${yearWords(year)}`;
}

/** 2026 → twenty twenty-six, 2008 → two thousand eight, 1900 → nineteen hundred. */
function yearWords(year: number): string {
  const century = Math.floor(year / 100);
  const rest = year % 100;
  if (year < 1000 || century % 10 === 0)
    return rest < 10 || year < 1000 ? cardinal(String(year)) : pairs(century, rest);
  return rest === 0 ? `${cardinal(String(century))} hundred` : pairs(century, rest);
}

function pairs(century: number, rest: number): string {
  return `${cardinal(String(century))} ${rest < 10 ? 'oh ' : ''}${cardinal(String(rest))}`;
}

function time({ hour, minute, second, half }: SpokenTime): string {
  const minutes = minute === 0 ? '' : ` ${minute < 10 ? 'oh ' : ''}${cardinal(String(minute))}`;
  const seconds = second === undefined || second === 0 ? '' : ` and ${cardinal(String(second))} seconds`;
  const suffix = half !== undefined ? ` ${half === 'am' ? 'A M' : 'P M'}` : minute === 0 ? " o'clock" : '';
  return `${cardinal(String(hour))}${minutes}${seconds}${suffix}`;
}

function money(currency: Currency, number: PlainNumber): string {
  const [whole = '0', fraction] = number.split('.');
  const main = `${cardinal(whole)} ${CURRENCY_WORDS[currency]}`;
  if (fraction === undefined || Number(fraction) === 0) return main;
  if (fraction.length !== 2) return `${decimal(number)} ${CURRENCY_WORDS[currency]}`;
  return `${main} and ${cardinal(fraction)} cents`;
}
