/**
 * The final states of a message (spec §8), and how an operator's words become one: receipts by text or number, and
 * refusals of a submit by command_status. It decides about single words only; who waits how long is the caller's.
 */
import assert from 'node:assert/strict';
import { statusOverrideKey } from './operator-settings.ts';

/** Spec §8 in its order, with OTERROR as this edition writes it (point 15). */
export const STATES = [
  'DELIVRD',
  'EXPIRED',
  'DELETED',
  'UNDELIV',
  'ACCEPTD',
  'UNKNOWN',
  'REJECTD',
  'SYNTAXE',
  'MOBERROR',
  'MSGERROR',
  'OTERROR',
  'REJERROR',
  'REJMOBIL',
] as const;

export type State = (typeof STATES)[number];

/** Whether statuscode is "0" (point 13). */
export function isSuccess(state: State): boolean {
  return state === 'DELIVRD';
}

// Five letters tell them apart, and some operators write the words in full (DELIVERED, UNDELIVERABLE).
const STATE_OF_STAT: ReadonlyMap<string, State> = new Map([
  ['DELIV', 'DELIVRD'],
  ['EXPIR', 'EXPIRED'],
  ['DELET', 'DELETED'],
  ['UNDEL', 'UNDELIV'],
  ['FAILE', 'UNDELIV'],
  ['ACCEP', 'ACCEPTD'],
  ['UNKNO', 'UNKNOWN'],
  ['REJEC', 'REJECTD'],
]);

/**
 * The `stat:` of a receipt (SMPP 3.4 appendix B). `pending` for ENROUTE and for words nobody knows: the message then
 * waits for a better one, and ends as UNKNOWN by time-out.
 */
export function stateOfReceipt(stat: string): State | 'pending' {
  return STATE_OF_STAT.get(stat.trim().slice(0, 5).toUpperCase()) ?? 'pending';
}

// SMPP 3.4 §5.2.28, and 9 SKIPPED of SMPP 5.0 §4.7.15.
const STATE_OF_MESSAGE_STATE: ReadonlyMap<number, State> = new Map([
  [2, 'DELIVRD'],
  [3, 'EXPIRED'],
  [4, 'DELETED'],
  [5, 'UNDELIV'],
  [6, 'ACCEPTD'],
  [7, 'UNKNOWN'],
  [8, 'REJECTD'],
  [9, 'UNDELIV'],
]);

/** The `message_state` TLV of a receipt, or that of a query_sm_resp; like `stateOfReceipt`. */
export function stateOfMessageState(messageState: number): State | 'pending' {
  return STATE_OF_MESSAGE_STATE.get(messageState) ?? 'pending';
}

/**
 * Whether a receipt ends its segment. ACCEPTD does not: it is the operator's last word only when nothing better comes
 * by the end of validity plus grace (point 16).
 */
export function isFinalReceipt(state: State | 'pending'): state is Exclude<State, 'ACCEPTD'> {
  return state !== 'pending' && state !== 'ACCEPTD';
}

// From best to worst. A definite failure outweighs silence, and a refusal, which gives the state of a partly sent
// message, outweighs what became of the segments before it.
const SEVERITY: Readonly<Record<State, number>> = {
  DELIVRD: 0,
  ACCEPTD: 1,
  UNKNOWN: 2,
  DELETED: 3,
  EXPIRED: 4,
  UNDELIV: 5,
  REJECTD: 6,
  OTERROR: 7,
  SYNTAXE: 8,
  MSGERROR: 9,
  MOBERROR: 10,
  REJMOBIL: 11,
  REJERROR: 12,
};

/** The state of two segments together: DELIVRD only if both are. The order of the segments makes no difference. */
export function worseState(a: State, b: State): State {
  return SEVERITY[a] >= SEVERITY[b] ? a : b;
}

/**
 * What a refused submit means: a final state, or what to do instead. `retry`: later, the link goes on. `throttled`:
 * the link pauses, the message stays first. `queue-full`: retry this message, often it is the recipient's own queue.
 */
export type RefusalMeaning = State | 'retry' | 'throttled' | 'queue-full';

// The design's table. 0x51, destination NPI, goes with 0x50, destination TON.
const MEANING_OF_COMMAND_STATUS: ReadonlyMap<number, RefusalMeaning> = new Map([
  [0x01, 'MSGERROR'],
  [0x02, 'SYNTAXE'],
  [0x03, 'SYNTAXE'],
  [0x04, 'SYNTAXE'],
  [0x05, 'MSGERROR'],
  [0x08, 'retry'],
  [0x0a, 'REJECTD'],
  [0x0b, 'MOBERROR'],
  [0x14, 'queue-full'],
  [0x45, 'REJECTD'],
  [0x50, 'MOBERROR'],
  [0x51, 'MOBERROR'],
  [0x58, 'throttled'],
  [0x64, 'retry'],
  [0xff, 'OTERROR'],
  [0x0480, 'REJMOBIL'],
]);

/**
 * The meaning of a submit_sm_resp's command_status other than 0, an operator's own table (its `statusOverrides`)
 * first. A code in neither is OTERROR: it blames neither the recipient nor the text, and if it is not known to be
 * temporary, trying again would only repeat it until the message expires. The customer is told and refunded at once.
 */
export function stateOfCommandStatus(
  commandStatus: number,
  overrides: Readonly<Record<string, RefusalMeaning>>,
): RefusalMeaning {
  assert.notEqual(commandStatus, 0, 'command_status 0 is no refusal');
  const own = overrides[statusOverrideKey(commandStatus)];
  return own ?? MEANING_OF_COMMAND_STATUS.get(commandStatus) ?? 'OTERROR';
}
