/**
 * What a call costs: points for each started unit of seconds, by the longest matching prefix of its number (point
 * 30). The same tariff reserves an upper bound when the call is accepted and settles what it really took.
 */

export interface Tariff {
  /** Points for each started unit. */
  readonly points: number;
  readonly unitSeconds: number;
}

export interface TariffTable {
  /** By E.164 prefix. */
  readonly byPrefix: ReadonlyMap<string, Tariff>;
  readonly longestPrefixDigits: number;
  /** Where no prefix matches; the entry `*`. */
  readonly otherwise: Tariff;
}

/** Mobiles and landlines of Taiwan 2 points a started minute, 6 abroad. */
export const DEFAULT_VOICE_PRICES = '8869=2/60,886=2/60,*=6/60';

const MAX_POINTS = 1_000;
const MAX_UNIT_SECONDS = 3_600;
const ENTRY = /^(\*|\d{1,15})=(\d{1,4})\/(\d{1,4})$/;

/**
 * Reads `prefix=points/seconds` entries, separated by commas; `*` stands for every other number and has to be there.
 */
export function parseVoicePrices(config: string): TariffTable | { error: string } {
  const byPrefix = new Map<string, Tariff>();
  for (const entry of config.split(',').map((part) => part.trim())) {
    const match = ENTRY.exec(entry);
    if (match === null) return { error: `"${entry}" is not prefix=points/seconds` };
    const [, prefix = '', points, seconds] = match;
    const tariff = { points: Number(points), unitSeconds: Number(seconds) };
    if (tariff.points > MAX_POINTS) return { error: `"${entry}": a price is at most ${MAX_POINTS} points` };
    if (tariff.unitSeconds < 1 || tariff.unitSeconds > MAX_UNIT_SECONDS) {
      return { error: `"${entry}": a unit is 1 to ${MAX_UNIT_SECONDS} seconds` };
    }
    if (byPrefix.has(prefix)) return { error: `"${prefix}" has two prices` };
    byPrefix.set(prefix, tariff);
  }
  const otherwise = byPrefix.get('*');
  if (otherwise === undefined) return { error: 'there is no price for "*", all other numbers' };
  byPrefix.delete('*');
  const longestPrefixDigits = Math.max(0, ...[...byPrefix.keys()].map((prefix) => prefix.length));
  return { byPrefix, longestPrefixDigits, otherwise };
}

export function tariffOf(table: TariffTable, e164: string): Tariff {
  for (let digits = table.longestPrefixDigits; digits > 0; digits--) {
    const tariff = table.byPrefix.get(e164.slice(0, digits));
    if (tariff !== undefined) return tariff;
  }
  return table.otherwise;
}

/** Points for so many seconds; a call of no second costs nothing, a started unit costs a whole one. */
export function pointsForSeconds(tariff: Tariff, seconds: number): number {
  return Math.ceil(Math.max(0, seconds) / tariff.unitSeconds) * tariff.points;
}

/** Seconds as they are charged: rounded up, at least 1 for an answered call. */
export function chargedSeconds(talkedMs: number): number {
  return Math.max(1, Math.ceil(talkedMs / 1000));
}
