/**
 * What a message costs in points, by the longest matching prefix of its number: a domestic price is per segment, one
 * abroad per message, since those are never long (spec §3, point 21). Prices are whole points.
 */
import type { Msisdn } from './phone-number.ts';

export interface PriceTable {
  /** Points by E.164 prefix. */
  readonly byPrefix: ReadonlyMap<string, number>;
  readonly longestPrefixDigits: number;
  /** Points where no prefix matches; the entry `*`. */
  readonly otherwise: number;
}

/** Spec §3: 1 point in Taiwan, 3 abroad. */
export const DEFAULT_PRICES = '886=1,*=3';

const MAX_POINTS = 1000;
const ENTRY = /^(\*|\d{1,15})=(\d{1,4})$/;

/** Reads `prefix=points` pairs, separated by commas; `*` stands for every other number and has to be there. */
export function parsePrices(config: string): PriceTable | { error: string } {
  const byPrefix = new Map<string, number>();
  let otherwise: number | undefined;
  for (const entry of config.split(',').map((part) => part.trim())) {
    const match = ENTRY.exec(entry);
    if (match === null) return { error: `"${entry}" is not prefix=points` };
    const prefix = match[1] ?? '';
    const points = Number(match[2]);
    if (points > MAX_POINTS) return { error: `"${entry}": a price is at most ${MAX_POINTS} points` };
    if (prefix === '*' ? otherwise !== undefined : byPrefix.has(prefix)) return { error: `"${prefix}" has two prices` };
    if (prefix === '*') otherwise = points;
    else byPrefix.set(prefix, points);
  }
  if (otherwise === undefined) return { error: 'there is no price for "*", all other numbers' };
  const longestPrefixDigits = Math.max(0, ...[...byPrefix.keys()].map((prefix) => prefix.length));
  return { byPrefix, longestPrefixDigits, otherwise };
}

/** Points for one message of so many segments. */
export function priceOf(table: PriceTable, msisdn: Msisdn, segments: number): number {
  const unit = unitPrice(table, msisdn.e164);
  return msisdn.domestic ? unit * segments : unit;
}

function unitPrice(table: PriceTable, e164: string): number {
  for (let digits = table.longestPrefixDigits; digits > 0; digits--) {
    const points = table.byPrefix.get(e164.slice(0, digits));
    if (points !== undefined) return points;
  }
  return table.otherwise;
}
