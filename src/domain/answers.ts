/**
 * What the API answers and calls back with, as plain objects and ASCII-only JSON. Keys stand in the order of the
 * contract's samples (points 9 to 14 and 34), since some clients cut the text instead of parsing it.
 */
import { CODES, type Code } from './codes.ts';
import { displayMobile } from './phone-number.ts';
import { isSuccess, type State } from './states.ts';
import { formatTaipei } from './taipei-time.ts';

const NON_ASCII = /[\u007f-\uffff]/;
const EACH_NON_ASCII = /[\u007f-\uffff]/g;

/** JSON with every character outside printable ASCII as \uXXXX. `value` must be serialisable and not undefined. */
export function asciiJson(value: unknown): string {
  const json = JSON.stringify(value);
  return NON_ASCII.test(json) ? json.replace(EACH_NON_ASCII, escapeUnit) : json;
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

export interface CodeAnswer {
  code: Code;
  text: string;
}

/** An error, or a query's 00001: a code and its text, without statuscode or msgid. */
export function codeAnswer(code: Code): CodeAnswer {
  return { code, text: CODES[code] };
}

/** An accepted message; `msgid` is a JSON number (point 10). */
export function sendAnswer(msgid: number): CodeAnswer & { msgid: number } {
  return { ...codeAnswer('00000'), msgid };
}

/** The answer to checkpoint=Y (point 12). */
export function pointsAnswer(point: number): CodeAnswer & { point: number } {
  return { ...codeAnswer('00000'), point };
}

/** The query's answer for a final state (point 13). */
export function finalAnswer(final: { state: State; doneAtMs: number }): CodeAnswer & {
  statuscode: '0' | '-1';
  statustext: State;
  donetime: string;
} {
  const donetime = formatTaipei(final.doneAtMs);
  return { ...codeAnswer('00000'), statuscode: statusCode(final.state), statustext: final.state, donetime };
}

/** "0" for DELIVRD, "-1" for every other state (point 13). */
function statusCode(state: State): '0' | '-1' {
  return isSuccess(state) ? '0' : '-1';
}

/** The JSON of `smsresp`, not yet urlencoded (point 14): all values strings, the time under both its names. */
export function callbackPayload(final: { msgid: number; mobile: string; state: State; doneAtMs: number }): string {
  const doneTime = formatTaipei(final.doneAtMs);
  return asciiJson({
    ...codeAnswer('00000'),
    msgid: String(final.msgid),
    mobile: displayMobile(final.mobile),
    statuscode: statusCode(final.state),
    statustext: final.state,
    downtime: doneTime,
    donetime: doneTime,
  });
}

export interface IncomingRow {
  seq: string;
  date: string;
  mobile: string;
  message: string;
}

/** One row of moResp, also what `moresp` pushes (spec §5, point 34). `mobile` is E.164 digits. */
export function incomingRow(incoming: {
  seq: number;
  receivedAtMs: number;
  mobile: string;
  text: string;
}): IncomingRow {
  return {
    seq: String(incoming.seq),
    date: formatTaipei(incoming.receivedAtMs),
    mobile: displayMobile(incoming.mobile),
    message: incoming.text,
  };
}

/** The answer of smsmo_query (spec §5); `more` is said when later messages of the day did not fit, and only then. */
export function incomingAnswer(
  rows: readonly IncomingRow[],
  more: boolean,
): CodeAnswer & { moResp: readonly IncomingRow[]; more?: 'Y' } {
  return { ...codeAnswer('00000'), moResp: rows, ...(more && { more: 'Y' }) };
}
