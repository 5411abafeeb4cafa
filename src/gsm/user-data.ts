/**
 * Reads what an operator delivers: the user data header (TS 23.040 §9.2.3.24) and the text behind it. It promises
 * never to throw, whatever the bytes are, and never to return U+0000, which no database text can hold; a header that
 * makes no sense is passed over, so that the text is kept.
 */
import iconv from 'iconv-lite';
import { decodeSeptets } from './alphabet.ts';
import type { DefaultAlphabet } from './segments.ts';

export interface ConcatenationInfo {
  reference: number;
  total: number;
  sequence: number;
}

export interface UserData {
  text: string;
  concat?: ConcatenationInfo;
}

const IEI_CONCATENATED_8_BIT = 0x00;
const IEI_CONCATENATED_16_BIT = 0x08;

// SMPP 3.4 §5.2.19, the single- and double-byte alphabets that are worth a guess.
const CHARSET_OF_DATA_CODING: ReadonlyMap<number, string> = new Map([
  [5, 'shift_jis'],
  [6, 'iso-8859-5'],
  [7, 'iso-8859-8'],
  [13, 'euc-jp'],
  [14, 'euc-kr'],
]);

/** Text and place in a long message of one `deliver_sm`'s short_message or message_payload. */
export function decodeUserData(input: {
  dataCoding: number;
  udhi: boolean;
  bytes: Uint8Array;
  defaultAlphabet: DefaultAlphabet;
}): UserData {
  const bytes = Buffer.from(input.bytes.buffer, input.bytes.byteOffset, input.bytes.byteLength);
  const headerLength = input.udhi ? userDataHeaderLength(bytes) : 0;
  const text = decodeBody(bytes.subarray(headerLength), input.dataCoding, input.defaultAlphabet).replaceAll('\0', '');
  const concat = findConcatenation(bytes.subarray(1, headerLength));
  return concat === undefined ? { text } : { text, concat };
}

/** Octets of the header with its length octet; 0 when the length points past the end. */
function userDataHeaderLength(bytes: Buffer): number {
  const length = (bytes[0] ?? 0) + 1;
  return length > bytes.length ? 0 : length;
}

function findConcatenation(elements: Buffer): ConcatenationInfo | undefined {
  let found: ConcatenationInfo | undefined;
  for (let at = 0; at + 2 <= elements.length; ) {
    const identifier = elements.readUInt8(at);
    const length = elements.readUInt8(at + 1);
    const data = elements.subarray(at + 2, at + 2 + length);
    if (data.length < length) break;
    // A repeated element replaces the earlier one (TS 23.040 §9.2.3.24).
    found = readConcatenation(identifier, data) ?? found;
    at += 2 + length;
  }
  return found;
}

function readConcatenation(identifier: number, data: Buffer): ConcatenationInfo | undefined {
  if (identifier === IEI_CONCATENATED_8_BIT && data.length === 3) {
    return checked(data.readUInt8(0), data.readUInt8(1), data.readUInt8(2));
  }
  if (identifier === IEI_CONCATENATED_16_BIT && data.length === 4) {
    return checked(data.readUInt16BE(0), data.readUInt8(2), data.readUInt8(3));
  }
  return undefined;
}

/** TS 23.040 §9.2.3.24.1: with a total or sequence of 0, or a sequence above the total, the element is ignored. */
function checked(reference: number, total: number, sequence: number): ConcatenationInfo | undefined {
  return total === 0 || sequence === 0 || sequence > total ? undefined : { reference, total, sequence };
}

function decodeBody(bytes: Buffer, dataCoding: number, defaultAlphabet: DefaultAlphabet): string {
  if (dataCoding === 0) return defaultAlphabet === 'gsm7' ? decodeSeptets(bytes) : bytes.toString('latin1');
  if (dataCoding === 8) return decodeUcs2(bytes);
  const charset = CHARSET_OF_DATA_CODING.get(dataCoding);
  if (charset !== undefined) return iconv.decode(bytes, charset);
  if (dataCoding >= 0x10) {
    const alphabet = alphabetOfGsmScheme(dataCoding);
    if (alphabet === 'gsm7') return decodeSeptets(bytes);
    if (alphabet === 'ucs2') return decodeUcs2(bytes);
  }
  return bytes.toString('latin1');
}

/** Values that SMPP leaves to GSM's own data coding scheme (TS 23.038 §4), such as 0x18: UCS-2, shown at once. */
function alphabetOfGsmScheme(dataCoding: number): 'gsm7' | 'octets' | 'ucs2' {
  const group = dataCoding >> 4;
  if (group <= 0x7) {
    const bits = (dataCoding >> 2) & 0x3;
    return bits === 2 ? 'ucs2' : bits === 1 ? 'octets' : 'gsm7';
  }
  if (group === 0xe) return 'ucs2';
  if (group === 0xf) return (dataCoding & 0x4) === 0 ? 'gsm7' : 'octets';
  return group === 0xc || group === 0xd ? 'gsm7' : 'octets';
}

/** Big endian; an odd last octet is half a character and is dropped. */
function decodeUcs2(bytes: Buffer): string {
  return Buffer.from(bytes.subarray(0, bytes.length & ~1))
    .swap16()
    .toString('utf16le');
}
