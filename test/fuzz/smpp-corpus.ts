/** PDUs to start from, one a line in corpus/smpp.hex: made by Feige's own codec, by hand, or after the standard's examples. */
import { readFileSync } from 'node:fs';
import type { Seeds } from './mutation.ts';

/** Lines are `name hexadecimal`; `#` begins a remark. */
export function readHexCorpus(file: string): Buffer[] {
  const text = readFileSync(new URL(`corpus/${file}`, import.meta.url), 'utf8');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => Buffer.from(line.slice(line.indexOf(' ') + 1), 'hex'));
}

/** Lengths at their ends, ids of commands and TLVs, and texts of receipts. */
const SPICE = [
  Buffer.from('00000000', 'hex'),
  Buffer.from('0000000f', 'hex'),
  Buffer.from('00000010', 'hex'),
  Buffer.from('00010001', 'hex'),
  Buffer.from('7fffffff', 'hex'),
  Buffer.from('ffffffff', 'hex'),
  Buffer.from('00000009', 'hex'),
  Buffer.from('80000004', 'hex'),
  Buffer.from('80000000', 'hex'),
  Buffer.from('00000103', 'hex'),
  Buffer.from('0424ffff', 'hex'),
  Buffer.from('04240000', 'hex'),
  Buffer.from('001e0000', 'hex'),
  Buffer.from('001e000100', 'hex'),
  Buffer.from('0427000107', 'hex'),
  Buffer.from('0204000200ff', 'hex'),
  Buffer.from('020c0002ffff020e0001ff020f0001ff', 'hex'),
  Buffer.from('050003ff0000', 'hex'),
  Buffer.from('060804ffff00ff', 'hex'),
  Buffer.from('ff00', 'hex'),
  Buffer.from('d800d800', 'hex'),
  Buffer.from('id:'),
  Buffer.from(' stat:DELIVRD'),
  Buffer.from(' done date:9913329999'),
  Buffer.from('\0'),
];

export function smppSeeds(): Seeds {
  return { inputs: readHexCorpus('smpp.hex'), spice: SPICE };
}
