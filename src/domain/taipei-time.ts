/**
 * Times as the contract writes them: Asia/Taipei, which is +08:00 without daylight saving since 1979. Everything here
 * is integer arithmetic on the proleptic Gregorian calendar; it reads no clock and refuses dates that do not exist.
 */

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const TAIPEI_OFFSET_MS = 8 * HOUR_MS;
const DAYS_PER_ERA = 146_097;
const YEARS_PER_ERA = 400;
// Days from 0000-03-01, where the eras below begin, to 1970-01-01.
const EPOCH_DAY = 719_468;

const SEND_TIME = /^\d{12}(?:\d{2})?$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** sendtime: 12 digits (YYYYMMDDHHmm) or 14 with seconds (point 19), to epoch ms; undefined where it is 00050. */
export function parseSendTime(value: string): number | undefined {
  if (!SEND_TIME.test(value)) return undefined;
  const day = dayNumber(Number(value.slice(0, 4)), Number(value.slice(4, 6)), Number(value.slice(6, 8)));
  const hour = Number(value.slice(8, 10));
  const minute = Number(value.slice(10, 12));
  const second = Number(value.slice(12, 14));
  if (day === undefined || hour > 23 || minute > 59 || second > 59) return undefined;
  return day * DAY_MS - TAIPEI_OFFSET_MS + hour * HOUR_MS + minute * 60_000 + second * 1000;
}

/** sdate (YYYY-MM-DD) as the Taipei day it names: `startMs` is in it, `endMs` is the next day's first instant. */
export function parseDay(value: string): { startMs: number; endMs: number } | undefined {
  if (!DAY.test(value)) return undefined;
  const day = dayNumber(Number(value.slice(0, 4)), Number(value.slice(5, 7)), Number(value.slice(8, 10)));
  if (day === undefined) return undefined;
  const startMs = day * DAY_MS - TAIPEI_OFFSET_MS;
  return { startMs, endMs: startMs + DAY_MS };
}

/** Epoch ms as YYYYMMDDHHmmss in Taipei. */
export function formatTaipei(ms: number): string {
  const local = ms + TAIPEI_OFFSET_MS;
  const { year, month, day } = civilDate(Math.floor(local / DAY_MS));
  const seconds = Math.floor((local - Math.floor(local / DAY_MS) * DAY_MS) / 1000);
  const time = pad(Math.floor(seconds / 3600)) + pad(Math.floor(seconds / 60) % 60) + pad(seconds % 60);
  return padYear(year) + pad(month) + pad(day) + time;
}

/** The Taipei day an instant falls on, YYYY-MM-DD. */
export function taipeiDay(ms: number): string {
  const { year, month, day } = civilDate(Math.floor((ms + TAIPEI_OFFSET_MS) / DAY_MS));
  return `${padYear(year)}-${pad(month)}-${pad(day)}`;
}

function pad(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

function padYear(year: number): string {
  return String(year).padStart(4, '0');
}

/** Days since 1970-01-01, counted in years that begin in March so that the leap day comes last. */
function dayNumber(year: number, month: number, day: number): number | undefined {
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31) return undefined;
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / YEARS_PER_ERA);
  const yearOfEra = shifted - era * YEARS_PER_ERA;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  const number = era * DAYS_PER_ERA + dayOfEra - EPOCH_DAY;
  // A day that its month does not have falls into the next one.
  return civilDate(number).month === month ? number : undefined;
}

function civilDate(dayNumberSinceEpoch: number): { year: number; month: number; day: number } {
  const days = dayNumberSinceEpoch + EPOCH_DAY;
  const era = Math.floor(days / DAYS_PER_ERA);
  const dayOfEra = days - era * DAYS_PER_ERA;
  const leapCorrected =
    dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor(leapCorrected / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = era * YEARS_PER_ERA + yearOfEra + (month <= 2 ? 1 : 0);
  return { year, month, day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1 };
}
