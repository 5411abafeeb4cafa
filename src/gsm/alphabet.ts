/**
 * The GSM 7-bit default alphabet and its extension table (TS 23.038 §6.2.1 and §6.2.1.1), one septet a byte:
 * the unpacked form that SMPP carries. National language tables are not supported, and nothing is ever
 * replaced on encoding: text that does not fit is the caller's to carry as UCS-2.
 */

const ESCAPE = 0x1b;
const NOT_IN_ALPHABET = -1;
const UNKNOWN_OCTET = '?';

// Position is the septet. 0x1B is the escape and stands here as NUL, which the alphabet does not have.
const BASIC =
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\0ÆæßÉ' +
  ' !"#¤%&\'()*+,-./0123456789:;<=>?' +
  '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§' +
  '¿abcdefghijklmnopqrstuvwxyzäöñüà';

const EXTENSION: readonly (readonly [septet: number, character: string])[] = [
  [0x0a, '\f'],
  [0x14, '^'],
  [0x28, '{'],
  [0x29, '}'],
  [0x2f, '\\'],
  [0x3c, '['],
  [0x3d, '~'],
  [0x3e, ']'],
  [0x40, '|'],
  [0x65, '€'],
];

const EXTENSION_CHARACTER = new Map(EXTENSION);

// A table over all code units, since measuring is on the path of every message: below 0x80 the septet, above it
// (0x80 + septet) an extension character.
const SEPTET_OF_UNIT = buildSeptetTable();
const EXTENDED = 0x80;

function buildSeptetTable(): Int16Array {
  const table = new Int16Array(0x1_0000).fill(NOT_IN_ALPHABET);
  for (let septet = 0; septet < BASIC.length; septet++) {
    if (septet !== ESCAPE) table[BASIC.charCodeAt(septet)] = septet;
  }
  for (const [septet, character] of EXTENSION) table[character.charCodeAt(0)] = 0x80 + septet;
  return table;
}

/** Septets that one UTF-16 code unit takes: 1, 2 for an extension character, 0 when the alphabet lacks it. */
export function septetsOfUnit(unit: number): 0 | 1 | 2 {
  const septet = SEPTET_OF_UNIT[unit] ?? NOT_IN_ALPHABET;
  if (septet === NOT_IN_ALPHABET) return 0;
  return septet < EXTENDED ? 1 : 2;
}

/** Whether every character is in the default alphabet or its extension table. */
export function isGsm7(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (SEPTET_OF_UNIT[text.charCodeAt(index)] === NOT_IN_ALPHABET) return false;
  }
  return true;
}

/** Septets of a text for which `isGsm7` holds; an extension character counts two (TS 23.038 §6.2.1.1). */
export function septetLength(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    if ((SEPTET_OF_UNIT[text.charCodeAt(index)] ?? 0) >= EXTENDED) length++;
  }
  return length;
}

/** One septet a byte, extension characters as ESC and their septet. Throws when `isGsm7` does not hold. */
export function encodeSeptets(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(septetLength(text));
  let at = 0;
  for (let index = 0; index < text.length; index++) {
    const septet = SEPTET_OF_UNIT[text.charCodeAt(index)] ?? NOT_IN_ALPHABET;
    if (septet === NOT_IN_ALPHABET) throw new RangeError(`code unit ${index} is not in the GSM 7-bit alphabet`);
    if (septet >= EXTENDED) bytes[at++] = ESCAPE;
    bytes[at++] = septet & 0x7f;
  }
  return bytes;
}

/**
 * Reads unpacked septets. An octet above 0x7F becomes `?`; an escape with nothing, or another escape, after it a
 * space; an escape before a septet without an extension the septet's own character (TS 23.038 §6.2.1.1).
 */
export function decodeSeptets(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < bytes.length; index++) {
    const septet = bytes[index] ?? 0;
    if (septet > 0x7f) {
      text += UNKNOWN_OCTET;
    } else if (septet !== ESCAPE) {
      text += BASIC[septet];
    } else {
      const next = bytes[index + 1];
      if (next === undefined || next === ESCAPE) text += ' ';
      else text += EXTENSION_CHARACTER.get(next) ?? BASIC[next] ?? UNKNOWN_OCTET;
      index++;
    }
  }
  return text;
}
