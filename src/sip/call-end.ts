/** How an outbound call ended, and what the final answers of the network mean. */
import type { ClientFailure } from './client-transaction.ts';
import type { SipResponse } from './message.ts';

export type CallEnd =
  /** 4xx and 6xx: the callee's or the network's word. */
  | { kind: 'refused'; status: number; reason: string }
  | { kind: 'no-answer' }
  /** The callee was not reached: no response, transport, 3xx, 5xx, credentials, 408 without 18x, no usable media. */
  | { kind: 'trunk-failed'; reason: string; status?: number }
  | { kind: 'hung-up'; by: 'us' | 'them' }
  | { kind: 'cancelled' };

/** The INVITE got no final answer. */
export function failureEnd(failure: ClientFailure): CallEnd {
  return { kind: 'trunk-failed', reason: failure.kind === 'timeout' ? 'no response from the trunk' : failure.reason };
}

/** The final answer was 300 to 699. 3xx are not followed: a trunk that redirects would send our calls anywhere. */
export function refusalEnd({ status, reason }: SipResponse, rang: boolean): CallEnd {
  const trunks = status < 400 || (status >= 500 && status < 600) || (status === 408 && !rang);
  return trunks ? { kind: 'trunk-failed', reason: `${status} ${reason}`, status } : { kind: 'refused', status, reason };
}
