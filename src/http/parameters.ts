/**
 * The parameters of a request, from its query string and its body (spec README points 1 to 4). A value is decoded, to
 * bytes or to text, only when it is asked for. Never throws: what cannot be read counts as absent.
 */
import { decodeMessage, decodeText, percentDecode, type TextEncoding } from '../domain/text.ts';
import { readMultipart } from './multipart.ts';

/** Parameters after these are not looked at. */
export const MAX_PARAMETERS = 1_000;
/** Parts of a multipart body after these are not looked at: each costs 0.1 ms, and the contract knows 17 parameters. */
export const MAX_PARTS = 100;
/** A longer value is unreadable: the contract's longest, a drurl of 2,000 hanzi encoded twice, has 18,000. */
export const MAX_VALUE_BYTES = 32_768;
/** Usernames and passwords are decoded before anybody is authenticated, so no more of them than this. */
const MAX_CREDENTIAL_BYTES = 1_024;

/** `%XX`. */
const LONGEST_ESCAPE = 3;
const UNREADABLE = '?';
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const ENCODED = /[%+]/;
const NEEDS_DECODING = /[%+]|[^\x20-\x7e]/;
const PART_OF_MULTIPART = /^multipart\/form-data\s*;/i;
const URLENCODED = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;

/** A percent-encoded value (Latin-1: each character a byte), or the bytes of a multipart field. */
type RawValue = string | Buffer;

export class Parameters {
  readonly #values = new Map<string, RawValue>();
  #read = 0;

  /** Of several values of a name the last counts, an empty one too (point 2). */
  add(name: string, value: RawValue): void {
    this.#values.set(name, value);
  }

  /** Adds `name=value&…`. */
  addEncoded(pairs: string): void {
    let start = 0;
    while (start < pairs.length && this.#read < MAX_PARAMETERS) {
      let end = start;
      let equals = -1;
      for (; end < pairs.length; end++) {
        const character = pairs.charCodeAt(end);
        if (character === AMPERSAND) break;
        if (character === EQUALS && equals < 0) equals = end;
      }
      if (end > start) this.#addPair(pairs, start, equals < 0 ? end : equals, end);
      start = end + 1;
    }
  }

  #addPair(pairs: string, start: number, equals: number, end: number): void {
    this.#read++;
    const name = pairs.slice(start, equals);
    const decodedName = ENCODED.test(name) ? percentDecode(name).toString('latin1') : name;
    this.#values.set(decodedName, pairs.slice(equals + 1, end));
  }

  /** The value's bytes; undefined where it is absent or empty (point 3). */
  bytes(name: string): Buffer | undefined {
    const value = this.#values.get(name);
    if (value === undefined || value.length === 0) return undefined;
    return typeof value === 'string' ? percentDecode(value) : value;
  }

  /**
   * The value as text, decoded by point 4; undefined where it is absent or empty. One that is too long for any
   * parameter is as unreadable as it is long, so that it gets the code of its parameter: guessing the encoding of 1 MiB
   * of noise took 0.4 s.
   */
  text(name: string, encoding: TextEncoding = 'auto'): string | undefined {
    return this.#decode(name, encoding, MAX_VALUE_BYTES, decodeText);
  }

  /** A username or a password as text. */
  credential(name: 'username' | 'password'): string | undefined {
    return this.#decode(name, 'auto', MAX_CREDENTIAL_BYTES, decodeText);
  }

  /** The parameter `message`, decoded as the text of a message is. */
  message(encoding: TextEncoding): string | undefined {
    return this.#decode('message', encoding, MAX_VALUE_BYTES, decodeMessage);
  }

  #decode(name: string, encoding: TextEncoding, maxBytes: number, decode: typeof decodeText): string | undefined {
    const value = this.#values.get(name);
    if (value === undefined || value.length === 0) return undefined;
    if (value.length > maxBytes * LONGEST_ESCAPE) return UNREADABLE.repeat(maxBytes + 1);
    if (typeof value === 'string' && value.length <= maxBytes && !NEEDS_DECODING.test(value)) return value;
    const bytes = typeof value === 'string' ? percentDecode(value) : value;
    if (bytes.length > maxBytes) return UNREADABLE.repeat(maxBytes + 1);
    const text = decode(bytes, encoding);
    return text === '' ? undefined : text;
  }
}

export interface RequestBody {
  contentType: string | undefined;
  bytes: Buffer;
}

/**
 * The query string's parameters, and over them the body's. A body without a Content-Type is read as urlencoded; one
 * of another type (JSON, plain text) has no parameters, whatever it holds: the contract knows none there.
 * @param query what follows the first `?`, each character a byte
 */
export function readParameters(query: string, body?: RequestBody): Parameters | Promise<Parameters> {
  const parameters = new Parameters();
  parameters.addEncoded(query);
  if (body === undefined || body.bytes.length === 0) return parameters;
  const contentType = body.contentType ?? '';
  if (PART_OF_MULTIPART.test(contentType)) return addMultipart(parameters, contentType, body.bytes);
  if (contentType === '' || URLENCODED.test(contentType)) parameters.addEncoded(withoutLineEnd(body.bytes));
  return parameters;
}

/** A file or a shell leaves line ends behind the last value. Nothing else goes: a byte A0, say, may end a hanzi. */
function withoutLineEnd(bytes: Buffer): string {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === LINE_FEED || bytes[end - 1] === CARRIAGE_RETURN)) end--;
  return bytes.toString('latin1', 0, end);
}

async function addMultipart(parameters: Parameters, contentType: string, bytes: Buffer): Promise<Parameters> {
  for (const { name, value } of await readMultipart(contentType, bytes, MAX_PARTS)) parameters.add(name, value);
  return parameters;
}
