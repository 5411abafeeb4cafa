/**
 * What commands print: with --json exactly one JSON document, otherwise text for people. Control characters in
 * texts of others (messages, names) are shown as escapes and never reach the terminal.
 */
import { formatTaipei } from '../domain/taipei-time.ts';

export interface JsonOption {
  json?: boolean;
}

const CONTROL_OF_JSON = /[\x7f-\x9f\u2028\u2029]/g;

/** Prints `data` as JSON, or what `text` makes of it. */
export function print(options: JsonOption, data: unknown, text: () => string): void {
  const output = options.json === true ? jsonText(data) : text();
  process.stdout.write(`${output}\n`);
}

/**
 * JSON leaves DEL and the C1 controls as they are, and terminals obey those: U+009B begins a command like ESC [ does.
 */
export function jsonText(data: unknown): string {
  return JSON.stringify(data, null, 2).replace(CONTROL_OF_JSON, escaped);
}

/** Names that end in `AtMs` become ISO 8601 times without the `Ms`. */
export function withTimes(record: object): object {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => {
      if (!name.endsWith('Ms')) return [name, value];
      const time = typeof value === 'number' ? new Date(value).toISOString() : null;
      return [name === 'atMs' ? 'at' : name.slice(0, -'Ms'.length), time];
    }),
  );
}

/** Columns under headers; numbers to the right. Characters of East Asia count as two columns. */
export function table(headers: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) => row.map((cell) => printable(String(cell))));
  const widths = headers.map((header, column) =>
    texts.reduce((widest, row) => Math.max(widest, columnsOf(row[column] ?? '')), columnsOf(header)),
  );
  const isNumeric = headers.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number' || row[column] === ''),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const padding = ' '.repeat(Math.max(0, (widths[column] ?? 0) - columnsOf(cell)));
        return isNumeric[column] === true ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd();
  return [line(headers), ...texts.map(line)].join('\n');
}

/** Names and values in two columns. */
export function pairs(entries: readonly (readonly [string, string | number])[]): string {
  const width = entries.reduce((widest, [name]) => Math.max(widest, name.length), 0);
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${printable(String(value))}`.trimEnd()).join('\n');
}

/** `text` when there is nothing to show in a table. */
export function tableOr(
  text: string,
  headers: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  return rows.length === 0 ? text : table(headers, rows);
}

/** 2026-11-22 18:04:05.123 in Taipei. */
export function taipei(ms: number): string {
  const digits = formatTaipei(ms);
  const date = `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6, 8)}`;
  const time = `${digits.slice(8, 10)}:${digits.slice(10, 12)}:${digits.slice(12, 14)}`;
  const milliseconds = ((Math.floor(ms) % 1000) + 1000) % 1000;
  return `${date} ${time}.${String(milliseconds).padStart(3, '0')}`;
}

export function onOff(value: boolean): 'on' | 'off' {
  return value ? 'on' : 'off';
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** One line that a terminal takes for text, whatever is in it. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => (character === '\n' ? '\\n' : escaped(character)));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/u;
const FIRST_ASTRAL = 0x1_00_00;

function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text)
    columns += WIDE.test(character) || (character.codePointAt(0) ?? 0) >= FIRST_ASTRAL ? 2 : 1;
  return columns;
}
