/**
 * Batches that did harm, as files: the inputs of one batch in hexadecimal, one a line (`-` is an input of no bytes),
 * with remarks that say to which target and how they were found. Nothing here ever deletes one.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const NO_BYTES = '-';
const TARGET_LINE = /^# target: (.*)$/m;
const DIGEST_CHARACTERS = 8;
/** Of a line in a log. */
const MAX_PRINTED_CHARACTERS = 32_768;

export interface Find {
  readonly file: string;
  readonly batch: readonly Buffer[];
}

export function findText(target: string, remarks: readonly string[], batch: readonly Buffer[]): string {
  const lines = [`target: ${target}`, ...remarks].map((line) => `# ${line.split('\n', 1)[0] ?? ''}`);
  return `${[...lines, ...batch.map((input) => input.toString('hex') || NO_BYTES)].join('\n')}\n`;
}

/** After what it holds, so that no find takes the place of another. */
export function findName(target: string, batch: readonly Buffer[]): string {
  const digest = createHash('sha256');
  for (const input of batch) digest.update(`${input.toString('hex')}\n`);
  return `${target.replaceAll(/[^a-z]+/gi, '-')}-${digest.digest('hex').slice(0, DIGEST_CHARACTERS)}.hex`;
}

/** Of all targets when none is given. */
export async function readFinds(directory: string, target?: string): Promise<Find[]> {
  const finds: Find[] = [];
  for (const file of await readdir(directory).catch(() => [])) {
    const text = await readFile(join(directory, file), 'utf8');
    if (target !== undefined && TARGET_LINE.exec(text)?.[1] !== target) continue;
    const lines = text
      .trimEnd()
      .split('\n')
      .filter((line) => !line.startsWith('#'));
    finds.push({ file, batch: lines.map((line) => Buffer.from(line === NO_BYTES ? '' : line, 'hex')) });
  }
  return finds;
}

/** The command that writes the file again wherever only a log is left of it. */
export function restoringCommand(file: string, text: string): string {
  const packed = gzipSync(text).toString('base64');
  return packed.length > MAX_PRINTED_CHARACTERS
    ? `too long for a log: ${packed.length} characters`
    : `echo ${packed} | base64 -d | gunzip > test/fuzz/corpus/finds/${file}`;
}
