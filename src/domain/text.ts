/**
 * Bytes of a request to text (spec/README points 3, 4, 5 and 7): UTF-8 and Big5 told apart, double encoding undone,
 * line breaks and control characters cleaned. It promises never to throw and never to return a control character but
 * LF; what cannot be read becomes `?`.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import iconv from 'iconv-lite';

export type TextEncoding = 'auto' | 'utf-8' | 'big5';
export type DoubleEncoding = 'auto' | 'always' | 'never';

const UNREADABLE = '?';
const REPLACEMENT = '\ufffd';
const BYTE_ORDER_MARK = 0xfeff;
const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;

// Unicode's control characters (C0, DEL, C1) but LF; point 7 has turned CR into it before.
const CONTROL_BUT_LINE_FEED = /[^\P{Cc}\n]/gu;
const HAS_CONTROL_BUT_LINE_FEED = /[^\P{Cc}\n]/u;

// UTF-8 that a Big5 text could be by accident: every character outside ASCII is two bytes with a second byte that
// Big5 has too. An ASCII letter beside them speaks for a European text ("été"), so the whole must be without.
const TWO_BYTE_CHARACTERS_ONLY = /^(?:[\0-\x40\x5b-\x60\x7b-\x7f]|[\xc2-\xdf][\xa1-\xbf])+$/;
const TWO_HANZI = /\p{Script=Han}.*\p{Script=Han}/su;
const ALL_HANZI_OR_ASCII = /^[\p{Script=Han}\p{ASCII}]*$/u;

type Guess = 'utf-8' | 'utf-8 with a cut last character' | 'big5';

/**
 * The text of percent-decoded bytes. `auto` guesses by point 4; `utf-8` and `big5` (CP950) are an account's setting.
 * Line breaks are LF, control characters and a leading byte order mark are gone.
 */
export function decodeText(bytes: Uint8Array, encoding: TextEncoding): string {
  return clean(decodeRaw(bytes, encoding));
}

/** Like `decodeText`, of the text of a message: there a tab stands between words, and becomes a blank. */
export function decodeMessage(bytes: Uint8Array, encoding: TextEncoding): string {
  return clean(decodeRaw(bytes, encoding).replaceAll('\t', ' '));
}

function decodeRaw(bytes: Uint8Array, encoding: TextEncoding): string {
  const buffer = asBuffer(bytes);
  return isAscii(buffer) ? buffer.toString('latin1') : decodeAs(buffer, guessOf(buffer, encoding));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function guessOf(bytes: Buffer, encoding: TextEncoding): Guess {
  if (encoding === 'utf-8') return 'utf-8';
  if (encoding === 'big5') return 'big5';
  if (isUtf8(bytes)) return isBig5ByAccidentUtf8(bytes) ? 'big5' : 'utf-8';
  return isUtf8(withoutCutCharacter(bytes)) ? 'utf-8 with a cut last character' : 'big5';
}

function isBig5ByAccidentUtf8(bytes: Buffer): boolean {
  if (!TWO_BYTE_CHARACTERS_ONLY.test(bytes.toString('latin1'))) return false;
  const text = iconv.decode(bytes, 'cp950');
  return ALL_HANZI_OR_ASCII.test(text) && TWO_HANZI.test(text);
}

/** The bytes before an unfinished UTF-8 character at the very end; the same bytes when there is none. */
function withoutCutCharacter(bytes: Buffer): Buffer {
  const earliest = Math.max(0, bytes.length - 3);
  for (let at = bytes.length - 1; at >= earliest; at--) {
    const byte = bytes[at] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    return isUnfinished(bytes.subarray(at)) ? bytes.subarray(0, at) : bytes;
  }
  return bytes;
}

/** Whether a lead byte and what follows it begin a UTF-8 character and stop too early (Unicode table 3-7). */
function isUnfinished(tail: Buffer): boolean {
  const lead = tail[0] ?? 0;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || tail.length >= length) return false;
  const second = tail[1];
  if (second === undefined) return true;
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second <= 0x9f;
  if (lead === 0xf0) return second >= 0x90;
  return lead !== 0xf4 || second <= 0x8f;
}

function decodeAs(bytes: Buffer, guess: Guess): string {
  switch (guess) {
    case 'utf-8':
      return isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('utf8').replaceAll(REPLACEMENT, UNREADABLE);
    case 'utf-8 with a cut last character':
      return withoutCutCharacter(bytes).toString('utf8') + UNREADABLE;
    case 'big5':
      return decodeBig5(bytes);
  }
}

/**
 * CP950, one `?` for each character without a mapping, where iconv-lite gives one or two or keeps the second byte.
 * So the characters are set apart by NUL, which is no second byte and would be removed anyway, and looked at one by
 * one after a single decoding: decoding them singly took 2.4 s for 1 MB of noise.
 */
function decodeBig5(bytes: Buffer): string {
  const whole = iconv.decode(bytes, 'cp950');
  if (!whole.includes(REPLACEMENT)) return whole;
  const pieces = iconv.decode(setApart(bytes), 'cp950').split('\0');
  return pieces.map((piece) => (piece.includes(REPLACEMENT) ? UNREADABLE : piece)).join('');
}

/** The same bytes without NUL, but with one on either side of each character outside ASCII. */
function setApart(bytes: Buffer): Buffer {
  const apart = Buffer.alloc(bytes.length * 3);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte !== 0 && byte < 0x80) apart[length++] = byte;
    if (byte < 0x80) continue;
    length++;
    apart[length++] = byte;
    if (isBig5PairAt(bytes, at)) apart[length++] = bytes[++at] ?? 0;
    length++;
  }
  return apart.subarray(0, length);
}

function isBig5PairAt(bytes: Buffer, at: number): boolean {
  const lead = bytes[at] ?? 0;
  const trail = bytes[at + 1] ?? 0;
  return lead >= 0x81 && lead <= 0xfe && ((trail >= 0x40 && trail <= 0x7e) || (trail >= 0xa1 && trail <= 0xfe));
}

function clean(text: string): string {
  const marked = text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
  if (!HAS_CONTROL_BUT_LINE_FEED.test(marked)) return marked;
  return marked.replaceAll('\r\n', '\n').replaceAll('\r', '\n').replace(CONTROL_BUT_LINE_FEED, '');
}

// Without a colon: nothing that holds `://` is of this form.
const ENCODED_ONLY = /^(?:[A-Za-z0-9\-_.~!*'()/+]|%[0-9A-Fa-f]{2})*$/;
const ENCODED_BLANK = /%(?:20|0[Aa])/;

/**
 * A message that its sender encoded twice, decoded the second time (point 5). `auto` asks for proof that it is so;
 * `always` decodes whatever could be encoded text, which a text with non-ASCII characters cannot be.
 */
export function undoDoubleEncoding(text: string, mode: DoubleEncoding, encoding: TextEncoding): string {
  if (mode === 'never') return text;
  if (mode === 'always') return isAsciiText(text) ? decodeMessage(percentDecode(text), encoding) : text;
  if (!text.includes('%') || !ENCODED_ONLY.test(text)) return text;
  const bytes = percentDecode(text);
  return ENCODED_BLANK.test(text) || holdsReadableNonAscii(bytes, encoding) ? decodeMessage(bytes, encoding) : text;
}

function isAsciiText(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0x7f) return false;
  }
  return true;
}

/** Bytes outside ASCII that are characters in the encoding, a cut last one aside. */
function holdsReadableNonAscii(bytes: Buffer, encoding: TextEncoding): boolean {
  if (isAscii(bytes)) return false;
  if (encoding !== 'big5') {
    const whole = withoutCutCharacter(bytes);
    if (isUtf8(whole)) return !isAscii(whole);
  }
  return encoding !== 'utf-8' && !iconv.decode(bytes, 'cp950').includes(REPLACEMENT);
}

const ENCODED_SCHEME = /^https?%3A%2F%2F/i;

/** A drurl that still begins `http%3A%2F%2F` or `https%3A%2F%2F`, decoded once more (point 5); others unchanged. */
export function undoDoubleEncodedUrl(url: string): string {
  return ENCODED_SCHEME.test(url) ? decodeText(percentDecode(url), 'utf-8') : url;
}

const HEX_VALUE = buildHexTable();

function buildHexTable(): Int8Array {
  const table = new Int8Array(0x100).fill(-1);
  for (let value = 0; value < 16; value++) {
    const digit = value.toString(16);
    table[digit.charCodeAt(0)] = value;
    table[digit.toUpperCase().charCodeAt(0)] = value;
  }
  return table;
}

/**
 * Percent-decoding of one raw name or value, `+` to space. A string stands for raw bytes (Latin-1). A `%` without two
 * hexadecimal digits after it stays as it is.
 */
export function percentDecode(raw: Uint8Array | string): Buffer {
  const source = typeof raw === 'string' ? Buffer.from(raw, 'latin1') : raw;
  const decoded = Buffer.allocUnsafe(source.length);
  let length = 0;
  for (let at = 0; at < source.length; at++) {
    const byte = source[at] ?? 0;
    if (byte === PERCENT && at + 2 < source.length) {
      const high = HEX_VALUE[source[at + 1] ?? 0] ?? -1;
      const low = HEX_VALUE[source[at + 2] ?? 0] ?? -1;
      if (high >= 0 && low >= 0) {
        decoded[length++] = (high << 4) | low;
        at += 2;
        continue;
      }
    }
    decoded[length++] = byte === PLUS ? SPACE : byte;
  }
  return decoded.subarray(0, length);
}
