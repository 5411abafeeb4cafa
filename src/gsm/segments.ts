/**
 * How a text is measured, split into segments and laid out for `submit_sm` (TS 23.040 §9.2.3.24.1, spec point 21).
 * What is measured is what is sent: `measure`, `splitText` and `encodeSegments` always agree on the number of
 * segments. It refuses nothing for its length; the limit of five is the validator's to apply.
 */
import { encodeSeptets, septetsOfUnit } from './alphabet.ts';

export type Encoding = 'gsm7' | 'ucs2';

/** What data_coding 0, "SMSC default alphabet" (SMPP 3.4 §5.2.19), really means at an operator. */
export type DefaultAlphabet = 'gsm7' | 'latin1' | 'ascii';

/** Long messages as a user data header, or as the TLVs sar_msg_ref_num, sar_total_segments, sar_segment_seqnum. */
export type Concatenation = 'udh' | 'sar';

export interface WireSegment {
  dataCoding: number;
  /** esm_class bit 6: shortMessage begins with a user data header. */
  esmClassUdhi: boolean;
  shortMessage: Buffer;
  sar?: { reference: number; total: number; sequence: number };
}

/** The most segments one message may have (spec §3: 335 or 765 characters). */
export const MAX_SEGMENTS = 5;

const SINGLE_SEPTETS = 160;
const SINGLE_UCS2_UNITS = 70;
const PART_SEPTETS = 153;
const PART_UCS2_UNITS = 67;

const DATA_CODING_DEFAULT = 0;
const DATA_CODING_UCS2 = 8;

/**
 * Encoding, units (septets or UTF-16 code units) and segments of a text as the operator will carry it. The segments
 * are those of the real split and may exceed `MAX_SEGMENTS`; an empty text is one empty segment.
 */
export function measure(text: string): { encoding: Encoding; units: number; segments: number } {
  let septets = 0;
  for (let index = 0; index < text.length; index++) {
    const width = septetsOfUnit(text.charCodeAt(index));
    if (width === 0) {
      const segments = text.length <= SINGLE_UCS2_UNITS ? 1 : cutPoints(text, 'ucs2').length;
      return { encoding: 'ucs2', units: text.length, segments };
    }
    septets += width;
  }
  const segments = septets <= SINGLE_SEPTETS ? 1 : cutPoints(text, 'gsm7').length;
  return { encoding: 'gsm7', units: septets, segments };
}

/** The text of each segment, in order; joined they are the text again. */
export function splitText(text: string): { encoding: Encoding; parts: string[] } {
  const { encoding, segments } = measure(text);
  return { encoding, parts: segments === 1 ? [text] : cutParts(text, encoding) };
}

function cutParts(text: string, encoding: Encoding): string[] {
  let from = 0;
  return cutPoints(text, encoding).map((to) => {
    const part = text.slice(from, to);
    from = to;
    return part;
  });
}

/** Where each part of a long message ends. No part ends inside an extension character or a surrogate pair. */
function cutPoints(text: string, encoding: Encoding): number[] {
  const capacity = encoding === 'gsm7' ? PART_SEPTETS : PART_UCS2_UNITS;
  const ends: number[] = [];
  let used = 0;
  for (let index = 0; index < text.length; ) {
    const pair = encoding === 'ucs2' && isSurrogatePairAt(text, index);
    const width = encoding === 'gsm7' ? septetsOfUnit(text.charCodeAt(index)) : pair ? 2 : 1;
    if (used + width > capacity) {
      ends.push(index);
      used = 0;
    }
    used += width;
    index += pair ? 2 : 1;
  }
  ends.push(text.length);
  return ends;
}

function isSurrogatePairAt(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00;
}

/**
 * The segments of a text for an operator. The reference is cut to 8 bits in a header and to 16 in a TLV; one segment
 * alone carries neither.
 *
 * At an operator whose data_coding 0 is Latin-1 or ASCII, extension characters are one octet on the wire, but the
 * split stays that of the septets, since the SMSC turns them into septets for the air. When its alphabet lacks a
 * character of a GSM text (€, Greek, in ASCII the accents too) the message goes as UCS-2, if that costs no segment
 * more than was charged. If it would, the missing characters become `?`: GSM octets under another alphabet would
 * garble `@`, `_`, `$` and more as well, and segments nobody paid for break the accounts.
 */
export function encodeSegments(
  text: string,
  options: { concatenation: Concatenation; reference: number; defaultAlphabet: DefaultAlphabet },
): WireSegment[] {
  const split = splitText(text);
  const layout = layoutFor(text, split, options.defaultAlphabet);
  const total = layout.parts.length;
  return layout.parts.map((part, index) => {
    const body =
      layout.dataCoding === DATA_CODING_UCS2 ? encodeUcs2(part) : encodeDefault(part, options.defaultAlphabet);
    if (total === 1) return { dataCoding: layout.dataCoding, esmClassUdhi: false, shortMessage: body };
    const sequence = index + 1;
    if (options.concatenation === 'sar') {
      const sar = { reference: options.reference & 0xffff, total, sequence };
      return { dataCoding: layout.dataCoding, esmClassUdhi: false, shortMessage: body, sar };
    }
    // Buffer.from keeps the low 8 bits.
    const header = Buffer.from([5, 0, 3, options.reference, total, sequence]);
    return { dataCoding: layout.dataCoding, esmClassUdhi: true, shortMessage: Buffer.concat([header, body]) };
  });
}

function layoutFor(
  text: string,
  split: { encoding: Encoding; parts: string[] },
  alphabet: DefaultAlphabet,
): { dataCoding: number; parts: string[] } {
  if (split.encoding === 'ucs2') return { dataCoding: DATA_CODING_UCS2, parts: split.parts };
  if (alphabet !== 'gsm7' && !fitsOctets(text, alphabet)) {
    const parts = text.length <= SINGLE_UCS2_UNITS ? [text] : cutParts(text, 'ucs2');
    if (parts.length === split.parts.length) return { dataCoding: DATA_CODING_UCS2, parts };
  }
  return { dataCoding: DATA_CODING_DEFAULT, parts: split.parts };
}

function highestOctet(alphabet: 'latin1' | 'ascii'): number {
  return alphabet === 'latin1' ? 0xff : 0x7f;
}

function fitsOctets(text: string, alphabet: 'latin1' | 'ascii'): boolean {
  const highest = highestOctet(alphabet);
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > highest) return false;
  }
  return true;
}

function encodeDefault(text: string, alphabet: DefaultAlphabet): Buffer {
  if (alphabet === 'gsm7') return encodeSeptets(text);
  const highest = highestOctet(alphabet);
  const bytes = Buffer.allocUnsafe(text.length);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    bytes[index] = unit > highest ? 0x3f : unit;
  }
  return bytes;
}

function encodeUcs2(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16();
}
