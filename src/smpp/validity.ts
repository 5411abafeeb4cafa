/**
 * The two time formats of SMPP 3.4 §7.1.1, YYMMDDhhmmsstnnp: relative (p is R) and absolute with a zone in quarter
 * hours (p is + or -). A relative month is read as 30 days and a year as twelve of them, as nothing says which month.
 */
export type SmppTime =
  | { kind: 'relative'; seconds: number }
  /** Milliseconds since the epoch, UTC. */
  | { kind: 'absolute'; atMs: number };

const SECONDS_PER_DAY = 86_400;
const DAYS_PER_MONTH = 30;
const MONTHS_PER_YEAR = 12;
const MAX_RELATIVE_SECONDS = 99 * MONTHS_PER_YEAR * DAYS_PER_MONTH * SECONDS_PER_DAY;
const MS_PER_QUARTER_HOUR = 900_000;
/** §7.1.1: nn is 00 to 48. */
const MAX_QUARTER_HOURS = 48;
const CENTURY = 2000;
const TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d)(\d\d)([R+-])$/;

/** Rounded to whole seconds and kept between 1 second and 99 years: a relative time of 0 would expire at once. */
export function formatRelativeTime(seconds: number): string {
  const whole = Math.min(MAX_RELATIVE_SECONDS, Math.max(1, Math.round(seconds)));
  const days = Math.floor(whole / SECONDS_PER_DAY);
  const months = Math.floor(days / DAYS_PER_MONTH);
  const parts = [
    Math.floor(months / MONTHS_PER_YEAR),
    months % MONTHS_PER_YEAR,
    days % DAYS_PER_MONTH,
    Math.floor((whole % SECONDS_PER_DAY) / 3600),
    Math.floor((whole % 3600) / 60),
    whole % 60,
  ];
  return `${parts.map((part) => String(part).padStart(2, '0')).join('')}000R`;
}

/** undefined for an empty or malformed value. Tenths of a second are dropped from relative times. */
export function parseSmppTime(value: string): SmppTime | undefined {
  const match = TIME.exec(value);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, tenth = 0, quarters = 0] = match
    .slice(1, 9)
    .map(Number);
  if (match[9] === 'R') {
    const days = (year * MONTHS_PER_YEAR + month) * DAYS_PER_MONTH + day;
    return { kind: 'relative', seconds: days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second };
  }
  const localMs = Date.UTC(CENTURY + year, month - 1, day, hour, minute, second, tenth * 100);
  const written = new Date(localMs).toISOString().replace(/\D/g, '').slice(2, 14);
  if (written !== value.slice(0, 12) || quarters > MAX_QUARTER_HOURS) return undefined;
  // + means that the local time is ahead of UTC.
  const aheadMs = quarters * MS_PER_QUARTER_HOUR * (match[9] === '+' ? 1 : -1);
  return { kind: 'absolute', atMs: localMs - aheadMs };
}
