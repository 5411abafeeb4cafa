/**
 * What the customers ask for, request by request: which number decides what, so that a run can be told again. Every text
 * carries the request's number in each of its segments, every callback URL in its query.
 */

/** What has to become of it when nothing is in doubt. */
export type ExpectedEnd = 'DELIVRD' | 'EXPIRED' | 'UNDELIV' | 'REJECTD' | 'SYNTAXE' | 'MOBERROR' | 'REJMOBIL';

export type PlannedRequest =
  | {
      readonly kind: 'message';
      readonly serial: number;
      readonly mobile: string;
      readonly text: string;
      readonly segments: number;
      readonly expected: ExpectedEnd;
      /** Seconds from now; undefined: at once. */
      readonly dueInS: number | undefined;
      /** Asked to be deleted again soon after, long before it is due. */
      readonly deletes: boolean;
    }
  | {
      readonly kind: 'call';
      readonly serial: number;
      readonly phone: string;
      /** Whether this number belongs to this request alone. */
      readonly own: boolean;
    };

const FIRST_MOBILE = 910_000_000;
const FIRST_PHONE = 930_000_000;

/** Numbers of the simulated operator that fail, or whose receipts come in some special way. */
const SPECIAL: readonly (readonly [string, ExpectedEnd])[] = [
  ['0900000003', 'UNDELIV'],
  ['0900000007', 'SYNTAXE'],
  ['0900000022', 'DELIVRD'],
  ['0900000001', 'EXPIRED'],
  ['0900000008', 'MOBERROR'],
  ['0900000023', 'DELIVRD'],
  ['0900000006', 'REJECTD'],
  ['0900000012', 'REJMOBIL'],
  ['0900000024', 'DELIVRD'],
  ['0900000028', 'DELIVRD'],
];
const SPECIAL_EVERY = 20;
const LONG_EVERY = 10;
const REVERSED_RECEIPTS_EVERY = 200;
const SCHEDULED_EVERY = 25;
const DELETED_EVERY = 100;
const DELETED_DUE_IN_S = 3_600;
/** The end of the second SMS character set's segment of a long message (TS 23.040 §9.2.3.24.1). */
const LONG_SEGMENT_CHARACTERS = 67;

/** Telephones that end a call in their own way: hang up, busy, silent, decline, unknown. */
const SPECIAL_PHONES = ['0900000105', '0900000101', '0900000102', '0900000103', '0900000104'];
const SPECIAL_PHONE_EVERY = 5;

export function planMessage(serial: number): PlannedRequest {
  const isSpecial = serial % SPECIAL_EVERY === 7;
  const isLong = serial % LONG_EVERY === 3;
  const isDeleted = serial % DELETED_EVERY === 15;
  const [mobile, expected] = isSpecial
    ? (SPECIAL[Math.floor(serial / SPECIAL_EVERY) % SPECIAL.length] ?? ['', 'DELIVRD' as const])
    : [mobileOf(serial, isLong), 'DELIVRD' as const];
  const segments = isLong ? 2 + (Math.floor(serial / LONG_EVERY) % 2) : 1;
  const isScheduled = serial % SCHEDULED_EVERY === 11;
  return {
    kind: 'message',
    serial,
    mobile,
    text: isLong ? longText(serial, segments) : shortText(serial),
    segments,
    expected,
    dueInS: isDeleted ? DELETED_DUE_IN_S : isScheduled ? 3 + (serial % 9) : undefined,
    deletes: isDeleted,
  };
}

export function planCall(serial: number): PlannedRequest {
  const isSpecial = serial % SPECIAL_PHONE_EVERY === 0;
  const special = SPECIAL_PHONES[Math.floor(serial / SPECIAL_PHONE_EVERY) % SPECIAL_PHONES.length] ?? '';
  return { kind: 'call', serial, phone: isSpecial ? special : `0${FIRST_PHONE + serial}`, own: !isSpecial };
}

function mobileOf(serial: number, isLong: boolean): string {
  if (isLong && serial % REVERSED_RECEIPTS_EVERY === 3) return '0900000027';
  return `0${FIRST_MOBILE + serial}`;
}

function shortText(serial: number): string {
  return serial % 2 === 0 ? `Your code is #${serial}#. Do not share it.` : `您的驗證碼是 #${serial}#，切勿告訴他人。`;
}

/** The mark so often that none of its segments is without a whole one. */
function longText(serial: number, segments: number): string {
  const piece = `長簡訊#${serial}#`;
  const length = LONG_SEGMENT_CHARACTERS * (segments - 1) + LONG_SEGMENT_CHARACTERS - 5;
  return piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
}
