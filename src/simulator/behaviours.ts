/**
 * The destination table: what the simulated operator answers to a submit for 09000000NN and which receipts follow.
 * Data and pure functions; earlier attempts are remembered, and PDUs sent, elsewhere. Every other number, and every
 * NN that is not in the table, is delivered.
 */
import { STATUS } from '../smpp/pdu.ts';

/** message_state of SMPP 3.4 §5.2.28 by the word that stands in a receipt's `stat:` (appendix B). */
export const MESSAGE_STATE = {
  DELIVRD: 2,
  EXPIRED: 3,
  DELETED: 4,
  UNDELIV: 5,
  ACCEPTD: 6,
  UNKNOWN: 7,
  REJECTD: 8,
} as const;

export type Outcome = keyof typeof MESSAGE_STATE;

export type Answer =
  | { kind: 'accept' }
  | { kind: 'refuse'; status: number }
  /** Refused `times` times, then accepted. */
  | { kind: 'refuse-first'; status: number; times: number }
  /** Refused until `durationMs` have passed since the first attempt, then accepted. */
  | { kind: 'refuse-for'; status: number; durationMs: number }
  /** The first is taken without an answer; a repeated one is taken and answered. */
  | { kind: 'silent-first' }
  /** The first is taken and the connection cut, once for all segments of a message. */
  | { kind: 'cut-first' }
  /** Neither taken nor answered. */
  | { kind: 'never' };

export interface ReceiptForm {
  copies: number;
  extraDelayMs: number;
  beforeResponse: boolean;
  /** Those of a long message's segments, the last segment's first. */
  reversed: boolean;
  responseId: 'decimal' | 'hex';
  receiptId: 'decimal' | 'padded';
  /** Whether receipted_message_id and message_state go with it. */
  tlvs: boolean;
}

export interface Behaviour {
  outcome: Outcome;
  answer: Answer;
  receipt: ReceiptForm;
}

/** What was seen before of the same segment (for `cut-first`: of the same message). */
export interface EarlierAttempts {
  count: number;
  firstAtMs: number;
}

export interface Verdict {
  /** Whether the operator has the message now: it gets an id, its receipts, and a place on the handset. */
  taken: boolean;
  reply: { kind: 'status'; status: number } | { kind: 'silence' } | { kind: 'cut' };
  /** Whether the attempts are over: the same text sent once more is a new message. */
  settled: boolean;
}

const PADDED_ID_DIGITS = 20;
const LATE_RECEIPT_MS = 30_000;
const QUEUE_FULL_MS = 10_000;
/** Feige's REJMOBIL: a vendor's status, outside the standard's list. */
const STATUS_REJECTED_MOBILE = 0x0480;

const PLAIN_RECEIPT: ReceiptForm = {
  copies: 1,
  extraDelayMs: 0,
  beforeResponse: false,
  reversed: false,
  responseId: 'decimal',
  receiptId: 'decimal',
  tlvs: true,
};

export const DELIVERED: Behaviour = behaviour({});

const TABLE: ReadonlyMap<string, Behaviour> = new Map([
  ['00', DELIVERED],
  ['01', behaviour({ outcome: 'EXPIRED' })],
  ['02', behaviour({ outcome: 'DELETED' })],
  ['03', behaviour({ outcome: 'UNDELIV' })],
  ['04', behaviour({ outcome: 'ACCEPTD' })],
  ['05', behaviour({ outcome: 'UNKNOWN' })],
  ['06', behaviour({ outcome: 'REJECTD' })],
  ['07', behaviour({ answer: { kind: 'refuse', status: STATUS.ESME_RINVCMDLEN } })],
  ['08', behaviour({ answer: { kind: 'refuse', status: STATUS.ESME_RINVDSTADR } })],
  ['09', behaviour({ answer: { kind: 'refuse', status: STATUS.ESME_RINVMSGLEN } })],
  ['10', behaviour({ answer: { kind: 'refuse', status: STATUS.ESME_RUNKNOWNERR } })],
  ['12', behaviour({ answer: { kind: 'refuse', status: STATUS_REJECTED_MOBILE } })],
  ['20', behaviour({ answer: { kind: 'silent-first' } })],
  ['21', behaviour({ answer: { kind: 'refuse-first', status: STATUS.ESME_RTHROTTLED, times: 2 } })],
  ['22', behaviour({ receipt: { beforeResponse: true } })],
  ['23', behaviour({ receipt: { copies: 3 } })],
  ['24', behaviour({ receipt: { responseId: 'hex' } })],
  ['25', behaviour({ answer: { kind: 'cut-first' } })],
  ['26', behaviour({ receipt: { extraDelayMs: LATE_RECEIPT_MS } })],
  ['27', behaviour({ receipt: { reversed: true } })],
  ['28', behaviour({ receipt: { receiptId: 'padded', tlvs: false } })],
  ['29', behaviour({ answer: { kind: 'never' } })],
  ['30', behaviour({ answer: { kind: 'refuse-for', status: STATUS.ESME_RMSGQFUL, durationMs: QUEUE_FULL_MS } })],
]);

function behaviour(parts: { outcome?: Outcome; answer?: Answer; receipt?: Partial<ReceiptForm> }): Behaviour {
  return {
    outcome: parts.outcome ?? 'DELIVRD',
    answer: parts.answer ?? { kind: 'accept' },
    receipt: { ...PLAIN_RECEIPT, ...parts.receipt },
  };
}

/** @param number as `handsetNumber` gives it: 09000000NN */
export function behaviourOf(number: string): Behaviour {
  if (number.length !== 10 || !number.startsWith('09000000')) return DELIVERED;
  return TABLE.get(number.slice(8)) ?? DELIVERED;
}

const ACCEPT: Verdict = { taken: true, reply: { kind: 'status', status: STATUS.ESME_ROK }, settled: true };

/** What happens to this attempt of a segment or message that was tried before as `earlier` says. */
export function judgeAttempt(
  answer: Answer,
  attempt: { earlier: EarlierAttempts | undefined; nowMs: number; partOfLong: boolean },
): Verdict {
  const { earlier, nowMs } = attempt;
  switch (answer.kind) {
    case 'accept':
      return ACCEPT;
    case 'refuse':
      return refusal(answer.status, true);
    case 'refuse-first':
      return (earlier?.count ?? 0) < answer.times ? refusal(answer.status, false) : ACCEPT;
    case 'refuse-for':
      return nowMs - (earlier?.firstAtMs ?? nowMs) < answer.durationMs ? refusal(answer.status, false) : ACCEPT;
    case 'silent-first':
      return earlier === undefined ? { taken: true, reply: { kind: 'silence' }, settled: false } : ACCEPT;
    case 'cut-first':
      // Of a long message not settled by the next segment either: others are still to come.
      if (earlier !== undefined) return { ...ACCEPT, settled: !attempt.partOfLong };
      return { taken: true, reply: { kind: 'cut' }, settled: false };
    case 'never':
      return { taken: false, reply: { kind: 'silence' }, settled: true };
  }
}

function refusal(status: number, settled: boolean): Verdict {
  return { taken: false, reply: { kind: 'status', status }, settled };
}

/** Whether this registered_delivery asks for a receipt of this outcome (SMPP 3.4 §5.2.17, bits 0 and 1). */
export function wantsReceipt(registeredDelivery: number, outcome: Outcome): boolean {
  switch (registeredDelivery & 0x03) {
    case 1:
      return true;
    case 2:
      return outcome !== 'DELIVRD' && outcome !== 'ACCEPTD';
    default:
      return false;
  }
}

/** The id as submit_sm_resp shows it. */
export function idInResponse(id: number, form: ReceiptForm): string {
  return form.responseId === 'hex' ? id.toString(16).toUpperCase() : String(id);
}

/** The id as the receipt shows it. */
export function idInReceipt(id: number, form: ReceiptForm): string {
  return form.receiptId === 'padded' ? String(id).padStart(PADDED_ID_DIGITS, '0') : String(id);
}
