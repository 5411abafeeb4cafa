/**
 * Finds dates, times, telephone numbers, amounts, codes and other figures in a sentence and has a `Wording` say them.
 * The rules run in order, and since words hold no digits, what one rule has read no later rule sees.
 */
import type { Currency, Wording } from './spoken-text-wording.ts';

/** A bare run of at least this many digits is a code, not a quantity. */
const CODE_MIN_DIGITS = 5;
const KEYWORD_CODE_MIN_DIGITS = 4;
/** How far a word such as 驗證碼 may stand from its code, in characters. */
const KEYWORD_REACH_BEFORE = 16;
const KEYWORD_REACH_AFTER = 14;
/** Codes up to this length are said in one breath, longer ones in groups. */
const MAX_UNGROUPED_DIGITS = 6;
const GROUP_DIGITS = 4;
const PHONE_MIN_DIGITS = 7;

const CODE_KEYWORD =
  /驗證碼|認證碼|授權碼|確認碼|識別碼|安全碼|檢查碼|代碼|密碼|序號|號碼|編號|單號|帳號|卡號|尾號|統編|[末後前]\s?[三四五六3-6]\s?碼|[取兌換惠扣請薦][件貨換]?碼|\b(?:OTP|PIN|code|passcode|password|verification|tracking|reference|serial|account number)\b/iu;

const NUMBER = String.raw`\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?`;
const MONTH = '0?[1-9]|1[0-2]';
const DAY = String.raw`0[1-9]|[12]\d|3[01]|[1-9]`;
/** `11/22(六)` and `11月22日(六)`, once the date is in words. */
const WEEKDAY = /(?<=[日號])\s?[(（](?:週|周|星期|禮拜)?([一二三四五六日])[)）]/gu;
const AFTER_DATE = String.raw`(?![\d/%]|[.-]\d)`;

type Rule = (text: string, wording: Wording) => string;

const RULES: readonly Rule[] = [
  speakShopNames,
  speakRanges,
  speakDates,
  speakTimes,
  speakMoney,
  speakPercent,
  speakMeasures,
  speakPhoneNumbers,
  speakKeywordCodes,
  speakVersions,
  speakRatios,
  speakOrdinals,
  speakNumbers,
];

/** @param text one sentence, narrow, its links already in words */
export function speakFigures(text: string, wording: Wording): string {
  return RULES.reduce((spoken, rule) => rule(spoken, wording), text);
}

/** The convenience store's name is no range: `7-11 門市`, but `7-11天`. */
function speakShopNames(text: string, { countedThing }: Wording): string {
  return text.replace(/(?<![\d./-])7-(?:11(?![\d./:-])|ELEVEN)/gi, (match, at: number) =>
    /^\s?[日月號]/u.test(text.slice(at + match.length)) || countedThing.test(text.slice(at + match.length))
      ? match
      : ' Seven Eleven ',
  );
}

function speakRanges(text: string, { signs }: Wording): string {
  const to = signs.to;
  return text
    .replace(/(?<=(?<!\d)\d{1,2}\/\d{1,2}(?:[(（].{1,3}[)）])?)\s?[-–~]\s?(?=\d{1,4}\/\d{1,2})/gu, to)
    .replace(/(?<=\d:\d\d)\s?[-–~]\s?(?=\d{1,2}:\d\d)/g, to)
    .replace(/(?<=\d\s?(?:%|℃|°C|元|日|月|號|點|分|時))\s?[-–~]\s?(?=(?:NT\$|\$)?\d)/gu, to)
    .replace(/(?<=(?<![\d-])\d{1,4})\s?~\s?(?=\d)/g, to)
    .replace(
      /(?<=(?<![\d.,/:A-Za-z-]|\d{5})(?!0)\d{1,3}(?:\.\d)?)\s?[-–]\s?(?=[1-9]\d{0,2}(?:\.\d)?(?![\d/:-]|\.\d))/g,
      to,
    )
    .replace(/(?<=\d)\s?[x×*]\s?(?=\d)/g, signs.times)
    .replace(/(?<=\d)\s?\+\s?(?=\d)/g, signs.plus)
    .replace(/(?<=\d)\s?=\s?(?=\d)/g, signs.equals);
}

function speakDates(text: string, wording: Wording): string {
  const say = (year: string | undefined, month: string, day: string): string =>
    wording.date({
      ...(year === undefined ? {} : { year: Number(year) }),
      month: Number(month),
      day: Number(day),
    });
  return text
    .replace(
      new RegExp(String.raw`(?<![\d./-])(\d{4})([/.-])(${MONTH})\2(${DAY})${AFTER_DATE}`, 'gu'),
      (_, year: string, _separator, month: string, day: string) => say(year, month, day),
    )
    .replace(
      new RegExp(String.raw`(?<![\d./-])(1\d\d)/(${MONTH})/(${DAY})${AFTER_DATE}`, 'gu'),
      (_, year: string, month: string, day: string) => say(year, month, day),
    )
    .replace(
      new RegExp(String.raw`(?<![\d./-])(${MONTH})/(${DAY})/(\d{4})(?![\d/])`, 'gu'),
      (_, month: string, day: string, year: string) => say(year, month, day),
    )
    .replace(
      new RegExp(String.raw`(?<![\d./-])(${MONTH})/(${DAY})${AFTER_DATE}`, 'gu'),
      (_, month: string, day: string) => say(undefined, month, day),
    )
    .replace(WEEKDAY, '星期$1');
}

function speakTimes(text: string, wording: Wording): string {
  const pattern =
    /(?:(?<![A-Za-z])([AP])M\s?)?(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])(?:\s?([AP])\.?M\.?(?![A-Za-z]))?/gi;
  return text.replace(
    pattern,
    (_, before: string | undefined, hour: string, minute: string, second?: string, after?: string) => {
      const letter = (before ?? after)?.toLowerCase();
      return wording.time({
        hour: Number(hour),
        minute: Number(minute),
        ...(second === undefined ? {} : { second: Number(second) }),
        ...(letter === undefined ? {} : { half: letter === 'a' ? 'am' : 'pm' }),
      });
    },
  );
}

const CURRENCY_SIGNS: ReadonlyMap<string, Currency> = new Map([
  ['NT$', 'TWD'],
  ['NT', 'TWD'],
  ['NTD', 'TWD'],
  ['TWD', 'TWD'],
  ['US$', 'USD'],
  ['USD', 'USD'],
  ['HK$', 'HKD'],
  ['HKD', 'HKD'],
  ['JPY', 'JPY'],
  ['¥', 'JPY'],
  ['RMB', 'CNY'],
  ['CNY', 'CNY'],
  ['EUR', 'EUR'],
  ['€', 'EUR'],
  ['GBP', 'GBP'],
  ['£', 'GBP'],
  ['$', 'plain'],
]);
const CURRENCY_BEFORE = String.raw`(?<![A-Za-z])(NT\$|NTD\$?|NT|TWD|US\$|USD|HK\$|HKD|JPY|RMB|CNY|EUR|GBP|[¥€£$])`;

function speakMoney(text: string, wording: Wording): string {
  const say = (sign: string, minus: string | undefined, number: string, scale = ''): string => {
    const currency = CURRENCY_SIGNS.get(sign.toUpperCase().replace('NTD$', 'NTD')) ?? 'plain';
    return (minus ? wording.signs.minus : '') + wording.money(currency, ungrouped(number), scale);
  };
  return text
    .replace(
      new RegExp(String.raw`(-)?${CURRENCY_BEFORE}:?\s?(-)?(${NUMBER})(?:\s?([萬億]))?(?:\s?[元塊圓])?`, 'giu'),
      (_, before: string | undefined, sign: string, inner: string | undefined, number: string, scale?: string) =>
        say(sign, before ?? inner, number, scale),
    )
    .replace(
      new RegExp(String.raw`(?<![\d.])(${NUMBER})\s?(NTD|TWD|USD|HKD|JPY|RMB|CNY|EUR|GBP)(?![A-Za-z])`, 'gi'),
      (_, number: string, sign: string) => say(sign, undefined, number),
    );
}

function speakPercent(text: string, wording: Wording): string {
  return text.replace(
    new RegExp(String.raw`(?<![\d.])((?<![A-Za-z])-)?(${NUMBER})\s?%`, 'g'),
    (_, minus: string | undefined, number: string) =>
      (minus ? wording.signs.minus : '') + wording.percent(ungrouped(number)),
  );
}

function speakMeasures(text: string, wording: Wording): string {
  const units = [...wording.units.keys()].join('|');
  return text
    .replace(
      new RegExp(String.raw`(?<![\d.])((?<![A-Za-z])-)?(${NUMBER})\s?(?:℃|°C)`, 'g'),
      (_, minus: string | undefined, number: string) => wording.celsius(ungrouped(number), minus !== undefined),
    )
    .replace(
      new RegExp(String.raw`(?<![\w.])(${NUMBER})\s?(${units})(?![A-Za-z/])`, 'g'),
      (_, number: string, unit: string) => {
        const name = wording.units.get(unit) ?? unit;
        return wording.quantity(ungrouped(number), '', name) + name;
      },
    );
}

const GROUPED_DIGITS =
  /(?<![\w.,/:-])[+(]?\d{1,16}(?:(?:\)[- ]?|[- ]\(?)\d{2,16}){0,6}(?!\d|[,.%/:]\d)(?:\s?(?:#|轉|分機|ext\.?)\s?(\d{1,6}))?/giu;

/** Telephone and card numbers: by their leading 0 or +, or by being written in groups. Others are left alone. */
function speakPhoneNumbers(text: string, wording: Wording): string {
  return text.replace(GROUPED_DIGITS, (match: string, extension: string | undefined) => {
    const main = extension === undefined ? match : match.slice(0, /\s?(?:#|轉|分機|ext)/iu.exec(match)?.index);
    const written = main.match(/\d+/g) ?? [];
    const digits = written.join('');
    const isPhone = /^[+(]?\(?[0+]/.test(main) && digits.length >= PHONE_MIN_DIGITS;
    const isGrouped = main.includes('-') && written.length >= 3 && digits.length >= PHONE_MIN_DIGITS;
    const isCard = /^\d{4}(?: \d{4}){2,3}$/.test(main);
    if (!isPhone && !isGrouped && !isCard) return match;
    const groups = written.length > 1 ? written : phoneGroups(digits);
    const spoken = (main.startsWith('+') ? wording.signs.plus : '') + wording.digits(groups);
    return extension === undefined ? spoken : `${spoken}${wording.extension}${wording.digits([extension])}`;
  });
}

function phoneGroups(digits: string): string[] {
  if (/^0[89]\d{8}$/.test(digits)) return [digits.slice(0, 4), digits.slice(4, 7), digits.slice(7)];
  if (/^0[2-8]\d{8}$/.test(digits)) return [digits.slice(0, 2), digits.slice(2, 6), digits.slice(6)];
  if (/^8869\d{8}$/.test(digits)) return [digits.slice(0, 3), digits.slice(3, 6), digits.slice(6, 9), digits.slice(9)];
  return codeGroups(digits);
}

function codeGroups(digits: string): string[] {
  if (digits.length <= MAX_UNGROUPED_DIGITS) return [digits];
  return digits.match(new RegExp(String.raw`\d{1,${GROUP_DIGITS}}`, 'g')) ?? [digits];
}

const CODE = /(?<![\w.,])[A-Za-z0-9]*\d[A-Za-z0-9]*(?:-[A-Za-z0-9]*\d[A-Za-z0-9]*)*(?![\w%]|[.,]\d)/g;
const HOTLINE =
  /((?:撥打?|電話|專線|來電|致電|\bcall|\bdial)\s?[:：]?\s?)(\d{3,4}(?:\s?(?:或|、|or)\s?\d{3,4}){0,5})(?!\s?[\d.,-])/giu;

/** Codes that a word beside them gives away, letters and digits one by one; and short numbers to dial. */
function speakKeywordCodes(text: string, wording: Wording): string {
  return text
    .replace(CODE, (match: string, at: number) => {
      const digitCount = match.replace(/\D/g, '').length;
      const after = text.slice(at + match.length);
      if (wording.countedThing.test(after)) return match;
      const reachable = text.slice(Math.max(0, at - KEYWORD_REACH_BEFORE), at);
      const isNamedBefore = CODE_KEYWORD.test(reachable.replace(/^.*\d(?!\s?碼)/su, ''));
      const isNamedAfter = CODE_KEYWORD.test(after.slice(0, KEYWORD_REACH_AFTER).replace(/\d.*$/su, ''));
      const least = isNamedBefore ? KEYWORD_CODE_MIN_DIGITS - 1 : KEYWORD_CODE_MIN_DIGITS;
      const isMixed = /[A-Za-z]/.test(match) && match.length >= KEYWORD_CODE_MIN_DIGITS;
      if (!(isNamedBefore || isNamedAfter) || (digitCount < least && !isMixed)) return match;
      return spellCode(match, wording);
    })
    .replace(HOTLINE, (match, words: string, numbers: string, at: number, whole: string) =>
      wording.countedThing.test(whole.slice(at + match.length))
        ? match
        : words + numbers.replace(/\d+/g, (digits) => wording.digits([digits])),
    );
}

/** `A1B23` → A 一 B 二三. */
function spellCode(code: string, wording: Wording): string {
  return (code.match(/[A-Za-z]+|\d+|-/g) ?? [])
    .map((part) => {
      if (part === '-') return wording.pause;
      return /\d/.test(part) ? ` ${wording.digits(codeGroups(part))} ` : ` ${part.split('').join(' ')} `;
    })
    .join('');
}

/** `1.2.3` and addresses of machines: each part a number. */
function speakVersions(text: string, wording: Wording): string {
  return text.replace(
    /(?<![\d.])\d+(?:\.\d+){2,}(?!\d)/g,
    (match, at: number) =>
      (text.slice(0, at).search(/[A-Za-z]$/) === -1 ? '' : ' ') +
      match
        .split('.')
        .map((part) => wording.quantity(part, '', ''))
        .join(wording.signs.dot),
  );
}

/** `3:2`, once what is a time has been read, and ½ (written `1⁄2` by now). */
function speakRatios(text: string, wording: Wording): string {
  return text
    .replace(/(?<=\d):(?=\d)/g, wording.signs.ratio)
    .replace(/(\d+)⁄(\d+)/g, (_, numerator: string, denominator: string) => wording.fraction(numerator, denominator));
}

function speakOrdinals(text: string, wording: Wording): string {
  return text.replace(
    /(?<![\w.])(\d{1,4})(?:st|nd|rd|th)(?![A-Za-z])/gi,
    (_, digits: string) => ` ${wording.ordinal(digits)} `,
  );
}

function speakNumbers(text: string, wording: Wording): string {
  return text.replace(
    new RegExp(`(-)?(${NUMBER})`, 'g'),
    (match, minus: string | undefined, number: string, at: number) => {
      const before = text.slice(Math.max(0, at - 2), at);
      const after = text.slice(at + match.length, at + match.length + 8);
      const sign =
        minus === undefined ? '' : /(?:^|[\s(（:：為是\p{Script=Han}])$/u.test(before) ? wording.signs.minus : ' ';
      const space = sign === '' && /[A-Za-z]$/.test(before) ? ' ' : '';
      const spoken = isCode(number, before, after, wording)
        ? wording.digits(codeGroups(number))
        : wording.quantity(ungrouped(number), before, after);
      return sign + space + spoken + (/^[A-Za-z]/.test(after) ? ' ' : '');
    },
  );
}

/** Long runs without a unit, and runs with a leading zero or letters before them, are names rather than numbers. */
function isCode(number: string, before: string, after: string, { countedThing }: Wording): boolean {
  if (!/^\d+$/.test(number)) return false;
  if (/^0\d/.test(number)) return number.length > 2 || !/^\s?[月日號時點分秒年]/u.test(after);
  if (/[A-Za-z]-?$/.test(before)) return number.length >= 3;
  return number.length >= CODE_MIN_DIGITS && !countedThing.test(after);
}

function ungrouped(number: string): string {
  return number.replaceAll(',', '');
}
