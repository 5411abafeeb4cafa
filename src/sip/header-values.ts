/**
 * What is written inside of SIP headers (RFC 3261 §20, §25.1): lists, parameters, name-addr, Via, CSeq, URIs.
 * Every reader returns undefined for what it can't read; none throws.
 */
import { randomUUID } from 'node:crypto';
import { headerLinesOf, headerOf, MAX_URI_CHARS, type SipMessage } from './message.ts';

/** Names in lower case; a parameter without a value has the empty string. */
export type Parameters = ReadonlyMap<string, string>;

export interface SipUri {
  scheme: 'sip' | 'sips';
  /** Unescaped; empty when there is none. */
  user: string;
  /** Without the brackets of an IPv6 address. */
  host: string;
  port: number | undefined;
  parameters: Parameters;
}

export interface NameAddress {
  uri: string;
  parameters: Parameters;
}

export interface Via {
  /** Upper case: UDP, TCP, TLS, … */
  transport: string;
  host: string;
  port: number | undefined;
  parameters: Parameters;
}

/** What matches a message to its transaction and dialog. */
export interface MessageIdentity {
  via: Via;
  branch: string;
  callId: string;
  from: NameAddress;
  fromTag: string;
  to: NameAddress;
  /** Empty until the other side has chosen one. */
  toTag: string;
  cseq: number;
  method: string;
}

export const DEFAULT_PORT = 5060;
export const DEFAULT_TLS_PORT = 5061;
const MAX_LIST_ITEMS = 64;
const MAX_PARAMETERS = 32;
const MAX_CSEQ = 0x7fffffff;
const MAX_PORT = 65_535;
/** §8.1.1.7: tells a branch of this document from older ones. */
export const BRANCH_COOKIE = 'z9hG4bK';

/** Splits at `separator` outside of quotes and angle brackets (§7.3.1); items are trimmed, empty ones dropped. */
export function splitOutsideQuotes(value: string, separator: ',' | ';'): string[] {
  const items: string[] = [];
  let start = 0;
  let quoted = false;
  let bracketed = false;
  for (let index = 0; index < value.length && items.length < MAX_LIST_ITEMS; index += 1) {
    const char = value[index];
    if (quoted) {
      if (char === '\\') index += 1;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '<') bracketed = true;
    else if (char === '>') bracketed = false;
    else if (char === separator && !bracketed) {
      items.push(value.slice(start, index).trim());
      start = index + 1;
    }
  }
  if (items.length < MAX_LIST_ITEMS) items.push(value.slice(start).trim());
  return items.filter((item) => item !== '');
}

/** All values of a list header, those of one line and those of several alike, in order (§7.3.1). */
export function headerListOf(message: SipMessage, name: string): string[] {
  return headerLinesOf(message, name)
    .flatMap((line) => splitOutsideQuotes(line, ','))
    .slice(0, MAX_LIST_ITEMS);
}

/** `a=b;c;d="e f"` to a map; quotes are taken off. */
export function parseParameters(text: string, separator: ',' | ';' = ';'): Parameters {
  const parameters = new Map<string, string>();
  for (const item of splitOutsideQuotes(text, separator).slice(0, MAX_PARAMETERS)) {
    const equals = item.indexOf('=');
    const name = (equals < 0 ? item : item.slice(0, equals)).trim().toLowerCase();
    if (name !== '' && !parameters.has(name)) {
      parameters.set(name, equals < 0 ? '' : unquote(item.slice(equals + 1).trim()));
    }
  }
  return parameters;
}

function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  return text.slice(1, -1).replaceAll(/\\(.)/g, '$1');
}

export function parseNameAddress(value: string): NameAddress | undefined {
  const open = openingBracket(value);
  if (open < 0) {
    // §20.10: without brackets everything after the first semicolon belongs to the header, not to the URI.
    const [uri = '', ...rest] = value.split(';');
    return isUriText(uri.trim()) ? { uri: uri.trim(), parameters: parseParameters(rest.join(';')) } : undefined;
  }
  const close = value.indexOf('>', open);
  if (close < 0) return undefined;
  const uri = value.slice(open + 1, close).trim();
  if (!isUriText(uri)) return undefined;
  return { uri, parameters: parseParameters(value.slice(close + 1)) };
}

/** Any scheme: To and From may hold tel: and others. No longer than what a request line can hold. */
function isUriText(text: string): boolean {
  return text.length <= MAX_URI_CHARS && /^[A-Za-z][A-Za-z0-9+\-.]*:[^\s<>"]+$/.test(text);
}

/** The first `<` outside of a quoted display name. */
function openingBracket(value: string): number {
  let quoted = false;
  for (let index = 0; index < value.length; index += 1) {
    const char = value[index];
    if (quoted && char === '\\') index += 1;
    else if (char === '"') quoted = !quoted;
    else if (char === '<' && !quoted) return index;
  }
  return -1;
}

const URI = /^(sips?):(?:([^@<>\s]*)@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._]+)(?::(\d{1,5}))?((?:;[^?]*)?)(?:\?.*)?$/i;

export function parseUri(text: string): SipUri | undefined {
  const found = URI.exec(text);
  if (found === null) return undefined;
  const [, scheme = '', userinfo = '', host = '', port, parameters = ''] = found;
  const portNumber = port === undefined ? undefined : Number(port);
  if (portNumber !== undefined && (portNumber < 1 || portNumber > MAX_PORT)) return undefined;
  return {
    scheme: scheme.toLowerCase() === 'sips' ? 'sips' : 'sip',
    user: unescapeUser(userinfo.split(':')[0] ?? ''),
    host: host.replaceAll(/[[\]]/g, ''),
    port: portNumber,
    parameters: parseParameters(parameters),
  };
}

function unescapeUser(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A user part as the grammar wants it (§25.1): everything unusual is escaped. */
export function escapeUser(text: string): string {
  return encodeURIComponent(text).replaceAll('%2B', '+');
}

/** `host` or `[host]` for IPv6, with the port when there is one. */
export function hostPort(host: string, port?: number): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? name : `${name}:${port}`;
}

/**
 * Only one part of the pattern can match blanks: when two could, it took 75 ms to refuse a Via of 8,000 blanks, and 14
 * datagrams a second from anybody stopped the process.
 */
const VIA =
  /^SIP\s*\/\s*2\.0\s*\/\s*([A-Za-z0-9-]+)\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._]+)\s*(?::\s*(\d{1,5})\s*)?((?:;.*)?)$/i;

export function parseVia(value: string): Via | undefined {
  const found = VIA.exec(value);
  if (found === null) return undefined;
  const [, transport = '', host = '', port, parameters = ''] = found;
  const portNumber = port === undefined ? undefined : Number(port);
  if (portNumber !== undefined && (portNumber < 1 || portNumber > MAX_PORT)) return undefined;
  return {
    transport: transport.toUpperCase(),
    host: host.replaceAll(/[[\]]/g, ''),
    port: portNumber,
    parameters: parseParameters(parameters),
  };
}

/**
 * Reads the headers that every message has (§8.1.1); undefined: the message can't be used. A display name may be in any
 * encoding; whatever identifies the call and its parties may not.
 */
export function identify(message: SipMessage): MessageIdentity | undefined {
  const via = parseVia(headerListOf(message, 'Via')[0] ?? '');
  const from = parseNameAddress(headerOf(message, 'From') ?? '');
  const to = parseNameAddress(headerOf(message, 'To') ?? '');
  const callId = headerOf(message, 'Call-ID');
  const cseq = /^(\d{1,10})\s+(\S{1,32})$/.exec(headerOf(message, 'CSeq') ?? '');
  if (via === undefined || from === undefined || to === undefined || cseq === null || !callId) return undefined;
  const number = Number(cseq[1]);
  const method = cseq[2] ?? '';
  // §8.1.1.5: below 2^31, and the method is that of the request.
  if (number > MAX_CSEQ || (message.kind === 'request' && method !== message.method)) return undefined;
  const fromTag = from.parameters.get('tag') ?? '';
  const toTag = to.parameters.get('tag') ?? '';
  const comesBack = [callId, fromTag, toTag, from.uri, to.uri, ...headerListOf(message, 'Record-Route')];
  if (comesBack.some(isNoUtf8)) return undefined;
  return { via, branch: via.parameters.get('branch') ?? '', callId, from, fromTag, to, toTag, cseq: number, method };
}

/** Our later requests must carry it as it came, but each bad byte was replaced by three that the peer does not know. */
function isNoUtf8(text: string): boolean {
  return text.includes('\uFFFD');
}

/** The rest of a UUID's 32 digits has 90 random bits. */
const TOKEN_FROM = 8;

/** 24 hexadecimal digits, unguessable: without seeing our messages nobody can answer or end our calls (§19.3). */
export function randomToken(): string {
  // Node keeps random bytes in store for UUIDs; asking the system each time was 2.5 % of the main thread with calls.
  return randomUUID().replaceAll('-', '').slice(TOKEN_FROM);
}

export function newBranch(): string {
  return BRANCH_COOKIE + randomToken();
}
