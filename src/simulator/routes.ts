/**
 * The handsets over HTTP, as a function of the request that any HTTP server can mount. Every answer but a recording is
 * JSON, errors as `{"error": "…"}`; nothing that a client sends makes it reject.
 */
import type { CallStore } from './calls.ts';
import { callsRoute } from './calls-routes.ts';
import { failure, type HandsetAnswer, secondsToWait, success } from './handset-answers.ts';
import { handsetNumber } from './phone-numbers.ts';
import type { SimulatedOperator } from './smsc.ts';
import { type Asked, originRefusal } from './web-origin.ts';

export interface HandsetRequest {
  method: string;
  /** Without the query string, percent-encoded as it came. */
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
}

export interface HandsetSources {
  operator: SimulatedOperator;
  /** Of a simulated telephone, where there is one. */
  calls?: CallStore | undefined;
  /** By which it may be asked beside those of loopback; undefined allows every name. */
  hostNames: readonly string[] | undefined;
}

/** What every path here begins with. */
export const HANDSETS_PATH = '/simulator/handsets';
/** Bodies larger than this need not be read: they are refused anyway. */
export const MAX_BODY_BYTES = 65_536;

const NUMBER_PATH = /^\/simulator\/handsets\/([^/]+)\/(messages|calls)(?:\/([^/]*)(\/recording\.wav)?)?$/;
const TO_PATTERN = /^\+?\d{1,20}$/;

/**
 * Routes for `GET /simulator/handsets`, `GET`, `POST`, `DELETE /simulator/handsets/NUMBER/messages` and, with the calls
 * of a simulated telephone, `GET`, `DELETE /simulator/handsets/NUMBER/calls`.
 */
export function handsetRoutes({
  operator,
  calls,
  hostNames,
}: HandsetSources): (request: HandsetRequest) => Promise<HandsetAnswer> {
  return async (request) => {
    const refusal = originRefusal(askedBy(request), hostNames);
    if (refusal !== undefined) return failure(403, refusal);
    if (request.path === HANDSETS_PATH || request.path === `${HANDSETS_PATH}/`)
      return listNumbers(operator, calls, request);
    const [, rawNumber, kind, rest = '', recording] = NUMBER_PATH.exec(request.path) ?? [];
    if (rawNumber === undefined || (rest !== '' && recording === undefined)) return failure(404, 'no such path');
    const number = handsetNumber(decoded(rawNumber));
    if (number === undefined) return failure(400, 'not a phone number');
    if (kind === 'calls') {
      if (calls === undefined) return failure(404, 'there is no simulated telephone');
      const id = recording === undefined ? undefined : rest;
      return callsRoute(calls, { method: request.method, number, id, query: request.query });
    }
    if (recording !== undefined) return failure(404, 'no such path');
    switch (request.method) {
      case 'GET':
        return listMessages(operator, number, request.query);
      case 'POST':
        return reply(operator, number, request.body);
      case 'DELETE':
        await operator.clearHandset(number);
        return { status: 204, body: '' };
      default:
        return failure(405, 'GET, POST or DELETE');
    }
  };
}

function askedBy({ headers }: HandsetRequest): Asked {
  const one = (name: string): string | undefined => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(',') : value;
  };
  return { host: one('host'), origin: one('origin'), fetchSite: one('sec-fetch-site') };
}

function listNumbers(
  operator: SimulatedOperator,
  calls: CallStore | undefined,
  request: HandsetRequest,
): HandsetAnswer {
  if (request.method !== 'GET') return failure(405, 'GET only');
  const received = operator.handsets.numbers();
  if (calls === undefined) return success(200, received);
  const called = new Map(calls.numbers().map((one) => [one.number, one.calls]));
  const both = received.map((one) => ({ ...one, calls: called.get(one.number) ?? 0 }));
  for (const { number } of received) called.delete(number);
  for (const [number, count] of called) both.push({ number, messages: 0, calls: count });
  return success(200, both);
}

/** With `wait=S`: once the next message has arrived, or S seconds have passed. */
async function listMessages(
  operator: SimulatedOperator,
  number: string,
  query: URLSearchParams,
): Promise<HandsetAnswer> {
  const wait = secondsToWait(query);
  if (typeof wait === 'string') return failure(400, wait);
  if (wait !== undefined) await operator.handsets.waitForNext(number, wait * 1_000);
  const messages = operator.handsets.messages(number).map(({ text, segments, receivedAtMs, from }) => {
    return { text, segments, receivedAt: new Date(receivedAtMs).toISOString(), from };
  });
  return success(200, messages);
}

async function reply(operator: SimulatedOperator, from: string, body: Buffer): Promise<HandsetAnswer> {
  if (body.length > MAX_BODY_BYTES) return failure(413, 'body too large');
  const parsed = parseReply(body);
  if (typeof parsed === 'string') return failure(400, parsed);
  const result = await operator.reply({ from, ...parsed });
  switch (result.kind) {
    case 'accepted':
      return success(202, { from, ...parsed, segments: result.segments });
    case 'too-long':
      return failure(400, 'text is too long');
    case 'busy':
      return failure(503, 'the simulated operator cannot take it now');
  }
}

/** A string says what is wrong. */
function parseReply(body: Buffer): { to: string; text: string } | string {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return 'the body must be JSON: {"to": "12345", "text": "…"}';
  }
  if (typeof value !== 'object' || value === null) return 'the body must be an object';
  const { to, text } = value as Record<string, unknown>;
  if (typeof to !== 'string' || !TO_PATTERN.test(to)) return 'to must be a string of 1 to 20 digits';
  if (typeof text !== 'string' || text === '') return 'text must be a string that is not empty';
  return { to, text };
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    // No number either way.
    return '';
  }
}
