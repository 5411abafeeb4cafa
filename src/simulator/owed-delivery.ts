/**
 * What the operator still owes its customer, a receipt or an incoming message, and the deliver_sm it becomes.
 * Kept small, and rendered only when it is sent, since there may be a million of them.
 */
import type { Address, ShortMessageFields, Tlvs } from '../smpp/pdu.ts';
import { formatReceiptText } from '../smpp/receipt-text.ts';
import { MESSAGE_STATE, type Outcome } from './behaviours.ts';

export interface OwedReceipt {
  kind: 'receipt';
  /** As the receipt shows it. */
  messageId: string;
  outcome: Outcome;
  submittedMs: number;
  doneMs: number;
  withTlvs: boolean;
  userMessageReference: number | undefined;
  /** Copies not acknowledged yet. */
  copies: number;
  reversed: boolean;
}

export interface OwedIncoming {
  kind: 'incoming';
  dataCoding: number;
  esmClass: number;
  body: Buffer;
}

export interface OwedDelivery {
  key: number;
  /** Not sent before, ms since the epoch. */
  dueMs: number;
  source: Address;
  destination: Address;
  content: OwedReceipt | OwedIncoming;
}

/** esm_class of deliver_sm, §5.2.12: short message contains an SMSC delivery receipt. */
const ESM_CLASS_RECEIPT = 0x04;
const TAIPEI_OFFSET_MINUTES = 480;
const ERROR_OF_OUTCOME: Record<Outcome, string> = {
  DELIVRD: '000',
  ACCEPTD: '000',
  EXPIRED: '011',
  DELETED: '012',
  UNDELIV: '027',
  UNKNOWN: '255',
  REJECTD: '034',
};

export function renderDelivery(owed: OwedDelivery): ShortMessageFields {
  const { content } = owed;
  if (content.kind === 'incoming') {
    return deliverSm(owed, content.esmClass, content.dataCoding, content.body, {});
  }
  const tlvs: Tlvs = {};
  if (content.withTlvs) {
    tlvs.receiptedMessageId = content.messageId;
    tlvs.messageState = MESSAGE_STATE[content.outcome];
  }
  if (content.userMessageReference !== undefined) tlvs.userMessageReference = content.userMessageReference;
  const text = formatReceiptText({
    id: content.messageId,
    stat: content.outcome,
    submitDateMs: content.submittedMs,
    doneDateMs: content.doneMs,
    utcOffsetMinutes: TAIPEI_OFFSET_MINUTES,
    err: ERROR_OF_OUTCOME[content.outcome],
    sub: 1,
    dlvrd: content.outcome === 'DELIVRD' ? 1 : 0,
  });
  return deliverSm(owed, ESM_CLASS_RECEIPT, 0, Buffer.from(text, 'latin1'), tlvs);
}

function deliverSm(
  owed: OwedDelivery,
  esmClass: number,
  dataCoding: number,
  shortMessage: Buffer,
  tlvs: Tlvs,
): ShortMessageFields {
  return {
    serviceType: '',
    source: owed.source,
    destination: owed.destination,
    esmClass,
    protocolId: 0,
    priorityFlag: 0,
    scheduleDeliveryTime: '',
    validityPeriod: '',
    registeredDelivery: 0,
    replaceIfPresent: 0,
    dataCoding,
    defaultMessageId: 0,
    shortMessage,
    tlvs,
  };
}
