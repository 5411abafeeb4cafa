/**
 * Figures in the Mandarin of Taiwan: 兩 before measure words and in hundreds and above, 零 for the places left out,
 * years and codes digit by digit.
 */
import type { Currency, PlainNumber, SpokenDate, SpokenTime, Wording } from './spoken-text-wording.ts';

const DIGITS = '零一二三四五六七八九';
const PLACES = ['', '十', '百', '千'] as const;
const SECTIONS = ['', '萬', '億', '兆'] as const;
const SECTION_DIGITS = PLACES.length;
/** 9,999 兆; what is longer is read digit by digit. */
const MAX_CARDINAL_DIGITS = SECTION_DIGITS * SECTIONS.length;

// 2 is 兩 before these, but 二 in 二月, 二日, 二號, 二樓, 二十.
const TWO_BECOMES_PAIR =
  /^\s?(?:[個位名張件筆次天週周年歲元塊點台臺支瓶杯份間組條本頁套盒包箱家層人顆隻對雙成倍趟晚度秒則封通部顆杯片場]|分鐘|小時|分|時(?!間)|公[斤里尺升分克噸]|星期|萬|億|千|百)/u;
const COUNTED_THING =
  /^\s?(?:[個位名張件筆次天年歲元塊圓點台臺支瓶杯份間組條本頁套盒包箱家層人顆隻對雙成倍趟晚度秒分時則封通部片場萬億字坪戶期折%％]|小時|公[斤里尺升分克噸]|星期|美[元金]|台幣|日[圓幣]|(?:kg|km|cm|mm|ml|GB|MB|TB)(?![A-Za-z]))/u;

const CURRENCY_WORDS: Readonly<Record<Currency, { before: string; after: string }>> = {
  TWD: { before: '新台幣', after: '元' },
  USD: { before: '美金', after: '元' },
  HKD: { before: '港幣', after: '元' },
  JPY: { before: '日幣', after: '元' },
  CNY: { before: '人民幣', after: '元' },
  EUR: { before: '', after: '歐元' },
  GBP: { before: '', after: '英鎊' },
  plain: { before: '', after: '元' },
};

const UNITS: ReadonlyMap<string, string> = new Map([
  ['km/h', '公里每小時'],
  ['kWh', '度電'],
  ['kg', '公斤'],
  ['km', '公里'],
  ['cm', '公分'],
  ['mm', '毫米'],
  ['ml', '毫升'],
  ['mL', '毫升'],
  ['g', '公克'],
  ['m2', '平方公尺'],
  ['m', '公尺'],
  ['L', '公升'],
]);

export const MANDARIN: Wording = {
  signs: {
    dot: '點',
    slash: '斜線',
    dash: '槓',
    at: '小老鼠',
    plus: '加',
    minus: '負',
    and: '和',
    to: '到',
    times: '乘',
    equals: '等於',
    ratio: '比',
  },
  pause: '，',
  stop: '。',
  question: '？',
  exclamation: '！',
  extension: '分機',
  units: UNITS,
  countedThing: COUNTED_THING,
  digits: (groups) => groups.map(digitByDigit).join('，'),
  quantity,
  ordinal: cardinal,
  fraction: (numerator, denominator) => `${cardinal(denominator)}分之${cardinal(numerator)}`,
  date,
  time,
  money,
  percent: (number) => `百分之${decimal(number)}`,
  celsius: (number, belowZero) => `攝氏${belowZero ? '零下' : ''}${decimal(number)}度`,
};

function digitByDigit(digits: string): string {
  return Array.from(digits, (digit) => DIGITS[Number(digit)] ?? digit).join('');
}

/** `10050` → 一萬零五十. Leading zeros do not count. */
function cardinal(digits: string): string {
  const significant = digits.replace(/^0+(?=\d)/, '');
  if (significant.length > MAX_CARDINAL_DIGITS) return digitByDigit(digits);
  if (significant === '0') return '零';
  let words = '';
  const sections = Math.ceil(significant.length / SECTION_DIGITS);
  for (let section = sections - 1; section >= 0; section--) {
    const end = significant.length - section * SECTION_DIGITS;
    const part = significant.slice(Math.max(0, end - SECTION_DIGITS), end);
    const value = Number(part);
    if (value === 0) continue;
    const gap = words !== '' && value < 1000 ? '零' : '';
    const name = SECTIONS[section] ?? '';
    words += gap + (value === 2 && section > 0 ? '兩' : sectionWords(value, words === '')) + name;
  }
  return words;
}

/** 1 to 9,999; a number that starts with its tens says 十二, not 一十二. */
function sectionWords(value: number, first: boolean): string {
  if (first && value >= 10 && value < 20) return `十${value === 10 ? '' : DIGITS[value - 10]}`;
  let words = '';
  let gap = false;
  for (let place = SECTION_DIGITS - 1; place >= 0; place--) {
    const digit = Math.floor(value / 10 ** place) % 10;
    if (digit === 0) {
      gap = words !== '';
      continue;
    }
    const name = digit === 2 && place >= 2 ? '兩' : (DIGITS[digit] ?? '');
    words += (gap ? '零' : '') + name + (PLACES[place] ?? '');
    gap = false;
  }
  return words;
}

function decimal(number: PlainNumber): string {
  const [whole = '0', fraction] = number.split('.');
  return fraction === undefined ? cardinal(whole) : `${cardinal(whole)}點${digitByDigit(fraction)}`;
}

function quantity(number: PlainNumber, before: string, after: string): string {
  if (/^\d{4}$/.test(number) && /^\s?年/u.test(after)) return digitByDigit(number);
  if (number === '2' && !/第\s?$/u.test(before) && TWO_BECOMES_PAIR.test(after)) return '兩';
  // 08月 and 09:05 written with words: only minutes and seconds say their zero.
  if (/^0\d$/.test(number)) return /^\s?[分秒]/u.test(after) ? digitByDigit(number) : cardinal(number);
  return decimal(/^\s?[元塊]/u.test(after) ? withoutTrailingZeros(number) : number);
}

function withoutTrailingZeros(number: PlainNumber): PlainNumber {
  return number.includes('.') ? number.replace(/\.?0+$/, '') : number;
}

function date({ year, month, day }: SpokenDate): string {
  const monthAndDay = `${cardinal(String(month))}月${cardinal(String(day))}日`;
  if (year === undefined) return monthAndDay;
  return `${year < 1000 ? cardinal(String(year)) : digitByDigit(String(year))}年${monthAndDay}`;
}

function time({ hour, minute, second, half }: SpokenTime): string {
  const prefix = half === undefined ? '' : half === 'am' ? '上午' : '下午';
  const hours = `${prefix}${hour === 2 ? '兩' : cardinal(String(hour))}點`;
  if (minute === 0 && (second ?? 0) === 0) return hours;
  const minutes = `${hours}${minute < 10 ? '零' : ''}${minute === 0 ? '' : cardinal(String(minute))}分`;
  return second === undefined || second === 0 ? minutes : `${minutes}${cardinal(String(second))}秒`;
}

function money(currency: Currency, number: PlainNumber, scale: string): string {
  const { before, after } = CURRENCY_WORDS[currency];
  return `${before}${quantity(withoutTrailingZeros(number), '', `${scale}${after}`)}${scale}${after}`;
}
