/**
 * What a language must be able to say so that `spoken-text-rules.ts` can turn figures into words. A wording gets
 * what has been recognised and answers words only: no digits, and no sign that a later rule could take for its own.
 */

/** A calendar date; `year` is absent in `11/22`, and below 1000 it counts from the founding of the Republic. */
export interface SpokenDate {
  year?: number;
  month: number;
  day: number;
}

export interface SpokenTime {
  hour: number;
  minute: number;
  second?: number;
  half?: 'am' | 'pm';
}

export const CURRENCIES = ['TWD', 'USD', 'HKD', 'JPY', 'CNY', 'EUR', 'GBP', 'plain'] as const;
/** `plain` is a bare `$`: the currency of the country. */
export type Currency = (typeof CURRENCIES)[number];

export const SIGNS = ['dot', 'slash', 'dash', 'at', 'plus', 'minus', 'and', 'to', 'times', 'equals', 'ratio'] as const;
export type Sign = (typeof SIGNS)[number];

/** Digits, at most one decimal point, no grouping commas, no sign: `1234`, `12.5`. */
export type PlainNumber = string;

export interface Wording {
  readonly signs: Readonly<Record<Sign, string>>;
  /** The break inside a sentence, and the one after it. */
  readonly pause: string;
  readonly stop: string;
  readonly question: string;
  readonly exclamation: string;
  readonly extension: string;
  /** Units written in Latin letters or signs, longest first where one begins another. */
  readonly units: ReadonlyMap<string, string>;
  /** Beginnings of the text after a number that make it a quantity, however long the number is. */
  readonly countedThing: RegExp;
  /** Each group digit by digit, a pause between groups. */
  digits(groups: readonly string[]): string;
  /** `before` and `after` are the text around it, since some words depend on it (2 個 is 兩個, 第 2 is 第二). */
  quantity(number: PlainNumber, before: string, after: string): string;
  ordinal(digits: string): string;
  fraction(numerator: string, denominator: string): string;
  date(date: SpokenDate): string;
  time(time: SpokenTime): string;
  money(currency: Currency, number: PlainNumber, scale: string): string;
  percent(number: PlainNumber): string;
  celsius(number: PlainNumber, belowZero: boolean): string;
}
