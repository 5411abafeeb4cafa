/** Inputs of protocols that are text, one a line of a file in corpus/: \r, \n, \t and \xHH as in C; `#` begins a remark. */
import { readFileSync } from 'node:fs';

const ESCAPES: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t' };

export function readTextCorpus(file: string): Buffer[] {
  const text = readFileSync(new URL(`corpus/${file}`, import.meta.url), 'latin1');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) =>
    Buffer.from(
      line.replace(/\\(?:x([0-9a-f]{2})|([rnt]))/g, (_all, hex: string | undefined, letter: string | undefined) =>
        hex === undefined ? (ESCAPES[letter ?? ''] ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
      ),
      'latin1',
    ),
  );
}
