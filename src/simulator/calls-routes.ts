/** The calls of a simulated telephone over HTTP: their list, their end to wait for, and what was heard, as WAV. */
import { writeWav } from '../base/wave-file.ts';
import type { CallStore, SimulatedCall } from './calls.ts';
import { failure, type HandsetAnswer, secondsToWait, success } from './handset-answers.ts';

export interface CallsRequest {
  method: string;
  /** As `handsetNumber` gives it. */
  number: string;
  /** Of the call whose recording is asked for. */
  id: string | undefined;
  query: URLSearchParams;
}

/** `GET` and `DELETE …/calls`, `GET …/calls/ID/recording.wav`. */
export async function callsRoute(calls: CallStore, request: CallsRequest): Promise<HandsetAnswer> {
  if (request.id !== undefined) return recording(calls, request.number, request.id, request.method);
  switch (request.method) {
    case 'GET':
      return listCalls(calls, request.number, request.query);
    case 'DELETE':
      calls.clear(request.number);
      return { status: 204, body: '' };
    default:
      return failure(405, 'GET or DELETE');
  }
}

/** With `wait=S`: once the next call has ended, or S seconds have passed. */
async function listCalls(calls: CallStore, number: string, query: URLSearchParams): Promise<HandsetAnswer> {
  const wait = secondsToWait(query);
  if (typeof wait === 'string') return failure(400, wait);
  if (wait !== undefined) await calls.waitForNext(number, wait * 1_000);
  return success(200, calls.of(number).map(shown));
}

function recording(calls: CallStore, number: string, id: string, method: string): HandsetAnswer {
  if (method !== 'GET') return failure(405, 'GET only');
  const heard = calls.find(number, id)?.recording;
  if (heard === undefined) return failure(404, 'no such recording');
  return { status: 200, body: writeWav(heard.decode()), contentType: 'audio/wav' };
}

function shown(call: SimulatedCall): Record<string, unknown> {
  const { id, callId, number, from, startedAtMs, answeredAtMs, endedAtMs, endedBy } = call;
  return {
    callId,
    from,
    startedAt: timeOf(startedAtMs),
    answeredAt: timeOf(answeredAtMs),
    endedAt: timeOf(endedAtMs),
    endedBy: endedBy ?? null,
    status: call.status ?? null,
    seconds: answeredAtMs === undefined || endedAtMs === undefined ? 0 : (endedAtMs - answeredAtMs) / 1_000,
    codec: call.codec ?? null,
    packets: call.packets,
    lost: call.lost,
    pressed: call.pressed,
    recording: call.recording ? `/simulator/handsets/${number}/calls/${id}/recording.wav` : null,
  };
}

function timeOf(atMs: number | undefined): string | null {
  return atMs === undefined ? null : new Date(atMs).toISOString();
}
