/**
 * The text of a delivery receipt (SMPP 3.4 appendix B), which no two operators write alike: fields in any order and
 * case, some missing, dates with or without seconds. Says what is written there; what it means is the caller's to
 * judge.
 */
import { messageBytes, type ShortMessageFields } from './pdu.ts';

export interface ReceiptText {
  id?: string;
  /** In upper case: DELIVRD, EXPIRED, … */
  stat?: string;
  /** As written; see `receiptDateToMs`. */
  doneDate?: string;
  submitDate?: string;
  err?: string;
}

export interface ReceiptFields {
  id: string;
  stat: string;
  /** Milliseconds since the epoch, UTC. */
  submitDateMs: number;
  doneDateMs: number;
  /** Of the operator's time zone: 480 for Taipei. */
  utcOffsetMinutes: number;
  /** '000' unless told. */
  err?: string;
  /** The beginning of the message; at most 20 characters are used. */
  text?: string;
  /** Messages submitted and delivered, 1 and 1 (0 when not DELIVRD) unless told. */
  sub?: number;
  dlvrd?: number;
}

/** A receipt has some 150 characters. */
const MAX_RECEIPT_CHARACTERS = 1000;
const MAX_TEXT_CHARACTERS = 20;
const FIELD = /(?<![a-z0-9_])(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|text)\s{0,3}:/gi;
const MS_PER_MINUTE = 60_000;
const CENTURY = 2000;
const UCS2 = 0x08;

/** The fields that are there; undefined when neither an id nor a stat is. */
export function parseReceiptText(text: string): ReceiptText | undefined {
  const body = text.slice(0, MAX_RECEIPT_CHARACTERS);
  const fields = [...body.matchAll(FIELD)];
  const receipt: ReceiptText = {};
  for (const [index, field] of fields.entries()) {
    const name = (field[1] ?? '').toLowerCase().replace(/[ _]/g, '');
    // What follows `text:` was written by the message's sender; it may look like fields.
    if (name === 'text' && receipt.id !== undefined && receipt.stat !== undefined) break;
    const value = body
      .slice(field.index + field[0].length, fields[index + 1]?.index)
      .trim()
      .split(/\s/, 1)[0];
    if (value === undefined || value === '') continue;
    if (name === 'id') receipt.id ??= value;
    else if (name === 'stat') receipt.stat ??= value.toUpperCase();
    else if (name === 'donedate') receipt.doneDate ??= value;
    else if (name === 'submitdate') receipt.submitDate ??= value;
    else if (name === 'err') receipt.err ??= value;
  }
  return receipt.id === undefined && receipt.stat === undefined ? undefined : receipt;
}

/** YYMMDDhhmm or YYMMDDhhmmss (or with a four-digit year) in the operator's zone; undefined for impossible times. */
export function receiptDateToMs(value: string, utcOffsetMinutes: number): number | undefined {
  if (!/^\d{10}(?:\d\d){0,2}$/.test(value)) return undefined;
  const short = value.length === 14 ? undefined : localMs(`${CENTURY / 100}${value.padEnd(12, '0')}`);
  // Twelve digits that make no date with a two-digit year may make one with four: 202611…
  const ms = short ?? (value.length >= 12 ? localMs(value.padEnd(14, '0')) : undefined);
  return ms === undefined ? undefined : ms - utcOffsetMinutes * MS_PER_MINUTE;
}

/** YYYYMMDDhhmmss read as UTC. */
function localMs(digits: string): number | undefined {
  const part = (start: number, length: number): number => Number(digits.slice(start, start + length));
  const [month, day, hour, minute, second] = [part(4, 2), part(6, 2), part(8, 2), part(10, 2), part(12, 2)];
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return undefined;
  const ms = Date.UTC(part(0, 4), month - 1, day, hour, minute, second);
  // Day 0 and February 30th do not exist: Date.UTC makes them days of another month.
  return new Date(ms).getUTCDate() === day ? ms : undefined;
}

function compactDate(ms: number): string {
  return new Date(ms).toISOString().replace(/\D/g, '').slice(0, 14);
}

/** Appendix B's form, with dates to the minute. */
export function formatReceiptText(fields: ReceiptFields): string {
  const { id, stat, utcOffsetMinutes, err = '000', text = '', sub = 1 } = fields;
  const dlvrd = fields.dlvrd ?? (stat === 'DELIVRD' ? 1 : 0);
  const date = (ms: number): string => compactDate(ms + utcOffsetMinutes * MS_PER_MINUTE).slice(2, 12);
  const count = (value: number): string => String(value).padStart(3, '0');
  return (
    `id:${id} sub:${count(sub)} dlvrd:${count(dlvrd)} submit date:${date(fields.submitDateMs)} ` +
    `done date:${date(fields.doneDateMs)} stat:${stat} err:${err} text:${text.slice(0, MAX_TEXT_CHARACTERS)}`
  );
}

/** The content as receipts are written: ASCII, or UCS-2 from operators that use it for everything. */
export function receiptTextOf(message: ShortMessageFields): string {
  const bytes = messageBytes(message);
  if (message.dataCoding !== UCS2) return bytes.toString('latin1', 0, MAX_RECEIPT_CHARACTERS);
  const even = Math.min(bytes.length, 2 * MAX_RECEIPT_CHARACTERS) & ~1;
  return Buffer.from(bytes.subarray(0, even)).swap16().toString('utf16le');
}

/** Message type bits of esm_class, and the header indicator that says the body starts with a UDH (§5.2.12). */
const ESM_TYPE_MASK = 0x3c;
const ESM_RECEIPT = 0x04;
const ESM_INTERMEDIATE = 0x20;
const ESM_UDHI = 0x40;

/**
 * `perhaps`: only its body has an id and a stat, without the dates of a receipt: somebody may have written such a text.
 */
export type ReceiptLikeness = 'certain' | 'perhaps' | 'none';

/**
 * A delivery receipt or intermediate notification by its esm_class; by its TLVs; or, from operators that set neither
 * (esm_class 0, or the 0x08 of an SME's acknowledgement), by a body that has an id and a stat.
 */
export function receiptLikeness(message: ShortMessageFields): ReceiptLikeness {
  const type = message.esmClass & ESM_TYPE_MASK;
  if (type === ESM_RECEIPT || type === ESM_INTERMEDIATE) return 'certain';
  const { receiptedMessageId, messageState } = message.tlvs;
  if (receiptedMessageId !== undefined && messageState !== undefined) return 'certain';
  if ((message.esmClass & ESM_UDHI) !== 0) return 'none';
  const receipt = parseReceiptText(receiptTextOf(message));
  if (receipt?.id === undefined || receipt.stat === undefined) return 'none';
  const dated = receipt.submitDate !== undefined || receipt.doneDate !== undefined;
  return type !== 0 || receiptedMessageId !== undefined || dated ? 'certain' : 'perhaps';
}
