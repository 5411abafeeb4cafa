/**
 * The requests both roles send, with what can become of them. `not-sent` is certain; `unknown` may have been taken by
 * the peer. The result comes exactly once: at once for a refused request, else when the response or its time-out comes.
 */
import type { Connection } from './connection.ts';
import { type Address, type Pdu, STATUS, type ShortMessageFields } from './pdu.ts';
import type { Outcome } from './pending-requests.ts';

interface Unknown {
  kind: 'unknown';
  sequence: number;
  reason: 'timeout' | 'closed';
}

interface NotSent {
  kind: 'not-sent';
  reason: 'closed' | 'window-full';
}

export type SubmitResult =
  | {
      kind: 'response';
      /** command_status; a generic_nack counts as a response and is never 0. */
      status: number;
      messageId: string;
      sequence: number;
    }
  | Unknown
  | NotSent;

export type QueryResult =
  | {
      kind: 'response';
      status: number;
      messageId: string;
      /** Absolute SMPP time, empty while there is no final state. */
      finalDate: string;
      /** §5.2.28; 0 when the peer did not say. */
      messageState: number;
      errorCode: number;
      sequence: number;
    }
  | Unknown
  | NotSent;

const RESPONSE_OF = {
  submit_sm: 'submit_sm_resp',
  deliver_sm: 'deliver_sm_resp',
  data_sm: 'data_sm_resp',
} as const;

export function sendMessage(
  connection: Connection,
  command: keyof typeof RESPONSE_OF,
  message: ShortMessageFields,
  onResult: (result: SubmitResult) => void,
): void {
  const obstacle = connection.obstacle();
  if (obstacle !== undefined) {
    onResult(obstacle);
    return;
  }
  const sequence = connection.nextSequence();
  connection.request({ command, sequence, status: STATUS.ESME_ROK, message }, RESPONSE_OF[command], (outcome) =>
    onResult(submitResult(outcome)),
  );
}

/** query_sm (§4.8) about a message this side submitted from `source`. Takes a place of the window like a message. */
export function sendQuery(
  connection: Connection,
  messageId: string,
  source: Address,
  onResult: (result: QueryResult) => void,
): void {
  const obstacle = connection.obstacle();
  if (obstacle !== undefined) {
    onResult(obstacle);
    return;
  }
  const sequence = connection.nextSequence();
  const pdu: Pdu = { command: 'query_sm', sequence, status: STATUS.ESME_ROK, messageId, source };
  connection.request(pdu, 'query_sm_resp', (outcome) => onResult(queryResult(outcome)));
}

function submitResult(outcome: Outcome): SubmitResult {
  if (outcome.kind !== 'response') return outcome;
  const { pdu } = outcome;
  const messageId = 'messageId' in pdu ? pdu.messageId : '';
  return { kind: 'response', status: responseStatus(pdu), messageId, sequence: pdu.sequence };
}

function queryResult(outcome: Outcome): QueryResult {
  if (outcome.kind !== 'response') return outcome;
  const { pdu } = outcome;
  const status = responseStatus(pdu);
  if (pdu.command !== 'query_sm_resp') {
    return {
      kind: 'response',
      status,
      messageId: '',
      finalDate: '',
      messageState: 0,
      errorCode: 0,
      sequence: pdu.sequence,
    };
  }
  const { messageId, finalDate, messageState, errorCode, sequence } = pdu;
  return { kind: 'response', status, messageId, finalDate, messageState, errorCode, sequence };
}

/** A nack that says "no error" is an error all the same. */
function responseStatus(pdu: Pdu): number {
  return pdu.command === 'generic_nack' ? pdu.status || STATUS.ESME_RUNKNOWNERR : pdu.status;
}
