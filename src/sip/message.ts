/**
 * SIP messages: bytes to a request or response and back (RFC 3261 §7). Reads compact forms, folded lines and any
 * case, within bounds; never throws on what a peer sent. It knows no socket and judges no header's meaning.
 */

export interface SipHeader {
  /** Canonical (`Call-ID`) where this file knows the header, lower case otherwise. */
  name: string;
  value: string;
}

export interface SipRequest {
  kind: 'request';
  /** Upper or lower case matters (§7.1). */
  method: string;
  uri: string;
  headers: readonly SipHeader[];
  body: Buffer;
}

export interface SipResponse {
  kind: 'response';
  /** 100 to 699. */
  status: number;
  reason: string;
  headers: readonly SipHeader[];
  body: Buffer;
}

export type SipMessage = SipRequest | SipResponse;

export type ParseResult =
  | { kind: 'message'; message: SipMessage }
  /** Only line ends: a keep-alive (RFC 5626 §3.5.1, RFC 3261 §7.5). */
  | { kind: 'keep-alive' }
  | { kind: 'malformed'; reason: string };

export const MAX_MESSAGE_BYTES = 65_535;
export const MAX_HEADER_BYTES = 16_384;
const MAX_HEADERS = 128;
const MAX_LINE_CHARS = 8_192;
/** As in REQUEST_LINE: anything longer can be no Request-URI, and so no target of ours in a dialog either. */
export const MAX_URI_CHARS = 2_048;

export const NO_BODY = Buffer.alloc(0);

/** §7.3.3 and §20, and those of later documents that peers shorten. */
const COMPACT_FORMS: Record<string, string> = {
  a: 'Accept-Contact',
  b: 'Referred-By',
  c: 'Content-Type',
  d: 'Request-Disposition',
  e: 'Content-Encoding',
  f: 'From',
  i: 'Call-ID',
  j: 'Reject-Contact',
  k: 'Supported',
  l: 'Content-Length',
  m: 'Contact',
  o: 'Event',
  r: 'Refer-To',
  s: 'Subject',
  t: 'To',
  u: 'Allow-Events',
  v: 'Via',
  x: 'Session-Expires',
};

const KNOWN_NAMES = [
  ...Object.values(COMPACT_FORMS),
  'Accept',
  'Allow',
  'Authorization',
  'CSeq',
  'Expires',
  'Max-Forwards',
  'Min-SE',
  'Proxy-Authenticate',
  'Proxy-Authorization',
  'RAck',
  'Reason',
  'Record-Route',
  'Require',
  'Retry-After',
  'Route',
  'RSeq',
  'Unsupported',
  'User-Agent',
  'Warning',
  'WWW-Authenticate',
];

const CANONICAL_NAMES = new Map([
  ...KNOWN_NAMES.map((name) => [name.toLowerCase(), name] as const),
  ...Object.entries(COMPACT_FORMS),
]);

const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;
const REQUEST_LINE = /^([A-Za-z0-9\-.!%*_+`'~]{1,32}) ([^\s<>"]{1,2048}) SIP\/2\.0$/i;
const STATUS_LINE = /^SIP\/2\.0 ([1-6]\d\d)(?: (.{0,512}))?$/i;
/** Characters that would smuggle a line into an answer that copies the value. */
const FORBIDDEN = /[\r\n\0]/;

/** The name under which `headerOf` and `parseMessage` know a header: case and compact form do not matter. */
export function canonicalName(name: string): string {
  const lower = name.toLowerCase();
  return CANONICAL_NAMES.get(lower) ?? lower;
}

/** One whole message: a datagram, or what a stream's framing cut out. Never throws. */
export function parseMessage(bytes: Buffer): ParseResult {
  if (bytes.length > MAX_MESSAGE_BYTES) return malformed('too long');
  // §7.5: line ends before the start line are skipped.
  let start = 0;
  while (start < bytes.length && (bytes[start] === 0x0d || bytes[start] === 0x0a)) start += 1;
  if (start === bytes.length) return { kind: 'keep-alive' };
  const headEnd = bytes.indexOf('\r\n\r\n', start);
  if (headEnd < 0) return malformed('no end of headers');
  if (headEnd - start > MAX_HEADER_BYTES) return malformed('headers too long');
  const lines = bytes.toString('utf8', start, headEnd).split('\r\n');
  const headers = parseHeaders(lines);
  if (typeof headers === 'string') return malformed(headers);
  const body = cutBody(bytes.subarray(headEnd + 4), headers);
  if (body === undefined) return malformed('Content-Length does not fit');
  return parseStartLine(lines[0] ?? '', headers, body);
}

function malformed(reason: string): ParseResult {
  return { kind: 'malformed', reason };
}

function parseStartLine(line: string, headers: SipHeader[], body: Buffer): ParseResult {
  const status = STATUS_LINE.exec(line);
  if (status !== null) {
    if (FORBIDDEN.test(line)) return malformed('status line');
    const message: SipResponse = {
      kind: 'response',
      status: Number(status[1]),
      reason: status[2] ?? '',
      headers,
      body,
    };
    return { kind: 'message', message };
  }
  const request = REQUEST_LINE.exec(line);
  if (request === null || FORBIDDEN.test(line)) return malformed('start line');
  const [, method = '', uri = ''] = request;
  return { kind: 'message', message: { kind: 'request', method, uri, headers, body } };
}

/** Every header after the start line, folded lines joined (§7.3.1); the reason when one is no header. */
function parseHeaders(lines: readonly string[]): SipHeader[] | string {
  const headers: SipHeader[] = [];
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (line.length > MAX_LINE_CHARS) return 'header line too long';
    if (FORBIDDEN.test(line)) return 'control character in a header';
    if (line.startsWith(' ') || line.startsWith('\t')) {
      const last = headers.at(-1);
      if (last === undefined) return 'folded line without a header';
      if (last.value.length + line.length > MAX_LINE_CHARS) return 'header line too long';
      last.value = `${last.value} ${line.trim()}`.trim();
      continue;
    }
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trimEnd();
    if (colon < 1 || !TOKEN.test(name)) return 'header without a name';
    if (headers.length >= MAX_HEADERS) return 'too many headers';
    headers.push({ name: canonicalName(name), value: line.slice(colon + 1).trim() });
  }
  return headers;
}

/** §18.3: what is beyond Content-Length is dropped, what is missing makes the message unusable. */
function cutBody(rest: Buffer, headers: readonly SipHeader[]): Buffer | undefined {
  const text = headers.find(({ name }) => name === 'Content-Length')?.value;
  if (text === undefined) return rest;
  if (!/^\d{1,6}$/.test(text)) return undefined;
  const length = Number(text);
  return length > rest.length ? undefined : rest.subarray(0, length);
}

/** The first value of a header, or undefined. */
export function headerOf(message: { headers: readonly SipHeader[] }, name: string): string | undefined {
  const canonical = canonicalName(name);
  return message.headers.find((header) => header.name === canonical)?.value;
}

/** Every line of a header, in order; a line may still hold a list. */
export function headerLinesOf(message: { headers: readonly SipHeader[] }, name: string): string[] {
  const canonical = canonicalName(name);
  return message.headers.filter((header) => header.name === canonical).map(({ value }) => value);
}

/** Content-Length is written by this function; line ends inside of values become blanks. */
export function serialiseMessage(message: SipMessage): Buffer {
  const start =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0`
      : `SIP/2.0 ${message.status} ${message.reason}`;
  const lines = [oneLine(start)];
  for (const { name, value } of message.headers) {
    if (name !== 'Content-Length') lines.push(`${name}: ${oneLine(value)}`);
  }
  lines.push(`Content-Length: ${message.body.length}`, '', '');
  const head = Buffer.from(lines.join('\r\n'), 'utf8');
  return message.body.length === 0 ? head : Buffer.concat([head, message.body]);
}

function oneLine(text: string): string {
  return FORBIDDEN.test(text) ? text.replaceAll(/[\r\n\0]+/g, ' ') : text;
}

const REASONS: Record<number, string> = {
  100: 'Trying',
  180: 'Ringing',
  183: 'Session Progress',
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  415: 'Unsupported Media Type',
  420: 'Bad Extension',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  483: 'Too Many Hops',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  491: 'Request Pending',
  500: 'Server Internal Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  600: 'Busy Everywhere',
  603: 'Decline',
};

/** The phrase of §21, or `Unknown`. */
export function reasonPhrase(status: number): string {
  return REASONS[status] ?? 'Unknown';
}
