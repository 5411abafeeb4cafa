/**
 * The checks of a send request that need nothing but the request (spec/README point 17), in the contract's order: the
 * first thing wrong is the answer. Credentials and client addresses are checked before; points, and where the drurl
 * leads and whether it answers, after.
 */
import { type Encoding, MAX_SEGMENTS, measure } from '../gsm/segments.ts';
import type { Code } from './codes.ts';
import { containsEmoji } from './emoji.ts';
import { type Msisdn, parseMobile } from './phone-number.ts';
import { type PriceTable, priceOf } from './price.ts';
import { parseSendTime } from './taipei-time.ts';
import { undoDoubleEncodedUrl } from './text.ts';

/** Parameters as text; undefined and empty are the same (point 3). `message` has been decoded for good. */
export interface SendParameters {
  sendtime?: string | undefined;
  expirytime?: string | undefined;
  mobile?: string | undefined;
  message?: string | undefined;
  drurl?: string | undefined;
  /** Only `N` acts. */
  drurlCheck?: string | undefined;
  /** Only `N` acts. */
  lmsg?: string | undefined;
}

export interface SendRules {
  /** Whether the account may send abroad. */
  international: boolean;
  prices: PriceTable;
  nowMs: number;
}

export interface ValidSend {
  mobile: Msisdn;
  body: string;
  encoding: Encoding;
  segments: number;
  points: number;
  /** Undefined: at once. */
  dueAtMs: number | undefined;
  /** Counted from the due time. */
  validitySeconds: number;
  /** As the URL standard writes it: ASCII, without a fragment, host in lower case. */
  drurl: string | undefined;
  checkDrurl: boolean;
}

export type SendVerdict = { ok: true; send: ValidSend } | { ok: false; code: Code };

const DAY_MS = 86_400_000;
const MAX_AHEAD_MS = 365 * DAY_MS;
const MIN_VALIDITY_SECONDS = 300;
const MAX_VALIDITY_SECONDS = 28_800;
const MAX_DRURL_CHARACTERS = 2000;

/** Checks and prices one message. */
export function validateSend(parameters: SendParameters, rules: SendRules): SendVerdict {
  const due = readSendTime(parameters.sendtime, rules.nowMs);
  if (typeof due === 'string') return refused(due);
  const validitySeconds = readExpiryTime(parameters.expirytime);
  if (validitySeconds === undefined) return refused('00060');
  const mobile = parseMobile(parameters.mobile ?? '');
  if (mobile === undefined) return refused('00100');
  const body = parameters.message ?? '';
  if (body === '') return refused('00110');
  if (containsEmoji(body)) return refused('00180');
  const { encoding, segments } = measure(body);
  const tooFar = checkLength(mobile, segments, parameters.lmsg, rules.international);
  if (tooFar !== undefined) return refused(tooFar);
  const drurl = readDrurl(parameters.drurl);
  if (drurl === 'malformed') return refused('00140');
  const points = priceOf(rules.prices, mobile, segments);
  const checkDrurl = drurl.url !== undefined && parameters.drurlCheck !== 'N';
  const send = { mobile, body, encoding, segments, points, dueAtMs: due.dueAtMs, validitySeconds };
  return { ok: true, send: { ...send, drurl: drurl.url, checkDrurl } };
}

function refused(code: Code): SendVerdict {
  return { ok: false, code };
}

/** Point 19: more than 365 days ahead is malformed, passed has a code of its own. */
function readSendTime(
  sendtime: string | undefined,
  nowMs: number,
): { dueAtMs: number | undefined } | '00050' | '00150' {
  if (isAbsent(sendtime)) return { dueAtMs: undefined };
  const dueAtMs = parseSendTime(sendtime);
  if (dueAtMs === undefined || dueAtMs - nowMs > MAX_AHEAD_MS) return '00050';
  return dueAtMs < nowMs ? '00150' : { dueAtMs };
}

function isAbsent(value: string | undefined): value is undefined | '' {
  return value === undefined || value === '';
}

function readExpiryTime(expirytime: string | undefined): number | undefined {
  if (isAbsent(expirytime)) return MAX_VALIDITY_SECONDS;
  const seconds = /^\d{1,10}$/.test(expirytime) ? Number(expirytime) : 0;
  return seconds >= MIN_VALIDITY_SECONDS && seconds <= MAX_VALIDITY_SECONDS ? seconds : undefined;
}

function checkLength(
  mobile: Msisdn,
  segments: number,
  lmsg: string | undefined,
  international: boolean,
): '00031' | '00120' | '00130' | undefined {
  if (!mobile.domestic && !international) return '00031';
  if (!mobile.domestic && segments > 1) return '00120';
  return segments > (lmsg === 'N' ? 1 : MAX_SEGMENTS) ? '00130' : undefined;
}

const ABSOLUTE_HTTP_URL = /^https?:\/\/[^/\\?#\n][^\n]*$/i;

/** Point 23, the part that is syntax. */
function readDrurl(drurl: string | undefined): { url: string | undefined } | 'malformed' {
  if (isAbsent(drurl)) return { url: undefined };
  const text = undoDoubleEncodedUrl(drurl).trim();
  if (text.length > MAX_DRURL_CHARACTERS || !ABSOLUTE_HTTP_URL.test(text)) return 'malformed';
  const url = URL.parse(text);
  if (url === null || url.hostname === '' || url.username !== '' || url.password !== '') return 'malformed';
  url.hash = '';
  return { url: url.href };
}
