/** Reads what a deliver_sm or data_sm says about a segment; knows the operator's time zone, not its segments. */
import type { OperatorSettings } from '../domain/operator-settings.ts';
import { parseAnyMsisdn } from '../domain/phone-number.ts';
import { type State, stateOfMessageState, stateOfReceipt } from '../domain/states.ts';
import type { ShortMessageFields } from '../smpp/pdu.ts';
import { parseReceiptText, receiptDateToMs, receiptTextOf } from '../smpp/receipt-text.ts';

export interface Receipt {
  readonly operatorId: number;
  /** The operator's id as the receipt gives it. */
  readonly id: string;
  readonly state: State | 'pending';
  readonly doneAtMs: number;
  /** The recipient in E.164 digits, when the receipt names one that can be read. */
  readonly mobile: string | undefined;
  /** user_message_reference, when it is echoed. */
  readonly reference: number | undefined;
  /** As it came, for the message's life. */
  readonly detail: string;
}

const MAX_DETAIL_CHARACTERS = 300;
/** SMPP 3.4 §5.2.23 allows 64. No segment can wait under an id that does not fit into an index (2,700 bytes). */
const MAX_ID_CHARACTERS = 1_000;
/** A done date without seconds. */
const MINUTE_DATE_DIGITS = 10;
const MINUTE_MS = 60_000;
/** An operator's clock may be ahead of ours a little; a done date further ahead is not believed. */
const MAX_CLOCK_AHEAD_MS = 10 * 60_000;

/**
 * The id is taken from the TLVs first (§5.3.2.12, §5.3.2.35), the state from the text first, where it can be finer.
 * Undefined when neither names a message.
 */
export function parseReceipt(
  operatorId: number,
  settings: OperatorSettings,
  message: ShortMessageFields,
  nowMs: number,
): Receipt | undefined {
  const text = receiptTextOf(message);
  const fields = parseReceiptText(text);
  // PostgreSQL's text holds no NUL, and no operator's id does.
  const id = (message.tlvs.receiptedMessageId || fields?.id)?.split('\0', 1)[0];
  if (!id || id.length > MAX_ID_CHARACTERS) return undefined;
  const { messageState } = message.tlvs;
  const fromText = fields?.stat === undefined ? 'pending' : stateOfReceipt(fields.stat);
  const state = fromText === 'pending' && messageState !== undefined ? stateOfMessageState(messageState) : fromText;
  return {
    operatorId,
    id,
    state,
    doneAtMs: doneAt(fields?.doneDate, settings.utcOffsetMinutes, nowMs),
    mobile: parseAnyMsisdn(message.source.digits),
    reference: message.tlvs.userMessageReference,
    detail: text.replace(/[^\x20-\x7e]/g, '.').slice(0, MAX_DETAIL_CHARACTERS),
  };
}

/** A date without seconds means any moment of its minute; while that minute lasts, now is taken. */
function doneAt(doneDate: string | undefined, utcOffsetMinutes: number, nowMs: number): number {
  const saidMs = doneDate === undefined ? undefined : receiptDateToMs(doneDate, utcOffsetMinutes);
  if (saidMs === undefined || saidMs > nowMs + MAX_CLOCK_AHEAD_MS) return nowMs;
  return doneDate?.length === MINUTE_DATE_DIGITS && nowMs - saidMs < MINUTE_MS ? Math.max(nowMs, saidMs) : saidMs;
}
