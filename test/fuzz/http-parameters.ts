/**
 * Damaged requests, their query string and body cut out, through everything that reads parameters in one process:
 * urlencoded and multipart bodies, the guess of the encoding, and both products' checks. No text that comes out may
 * hold what no database and no operator takes.
 */
import assert from 'node:assert/strict';
import { DEFAULT_PRICES, parsePrices } from '../../src/domain/price.ts';
import { validateSend } from '../../src/domain/send-request.ts';
import { type TextEncoding, undoDoubleEncoding } from '../../src/domain/text.ts';
import { validateVoice } from '../../src/domain/voice-request.ts';
import { type Parameters, readParameters } from '../../src/http/parameters.ts';
import { httpSeeds } from './http-corpus.ts';
import { inTime } from './smpp-sessions.ts';
import type { FuzzTarget, StartedTarget, Verdicts } from './target.ts';

const NAMES = 'sendtime expirytime mobile message drurl drurl_check lmsg msgid snumber sdate checkpoint type phone'
  .concat(' voice speed vol voice_url response replay replay_times')
  .split(' ');
const ENCODINGS: readonly TextEncoding[] = ['auto', 'utf-8', 'big5'];
const CONTROL_BUT_LINE_FEED = /[^\P{Cc}\n]/u;
const NOW_MS = Date.UTC(2026, 10, 22);

export function httpParameters(): FuzzTarget {
  return { name: 'http parameters', share: 0.2, seeds: httpSeeds(), start: async () => startParameters() };
}

function startParameters(): StartedTarget {
  const verdicts: Verdicts = { good: 0, broken: 0 };
  const prices = parsePrices(DEFAULT_PRICES);
  if ('error' in prices) throw new Error(prices.error);
  const judge = (parameters: Parameters, encoding: TextEncoding): void => {
    const read = parameters.text('message', encoding);
    const message = read === undefined ? undefined : undoDoubleEncoding(read, 'auto', encoding);
    const [sendtime, expirytime, mobile, , drurl] = NAMES.map((name) => textOf(parameters, name));
    const rules = { international: true, prices, nowMs: NOW_MS };
    const sent = validateSend({ sendtime, expirytime, mobile, message, drurl }, rules);
    const called = validateVoice(
      {
        type: textOf(parameters, 'type'),
        phone: textOf(parameters, 'phone'),
        message,
        voiceUrl: textOf(parameters, 'voice_url'),
        response: textOf(parameters, 'response'),
      },
      { international: true, allowedPrefixes: [''] },
    );
    for (const verdict of [sent, called]) verdicts[verdict.ok ? 'good' : 'broken'] += 1;
    if (sent.ok) assert.doesNotMatch(sent.send.body, CONTROL_BUT_LINE_FEED);
    if (sent.ok && sent.send.drurl !== undefined) assert.match(sent.send.drurl, /^https?:\/\/[\x21-\x7e]+$/);
    if (called.ok && called.call.response !== undefined)
      assert.match(called.call.response, /^https?:\/\/[\x21-\x7e]+$/);
  };
  return {
    verdicts,
    feed: async (inputs) => {
      for (const [index, input] of inputs.entries()) {
        const { query, contentType, body } = cutRequest(input);
        const reading = readParameters(query, { contentType, bytes: body });
        const parameters = reading instanceof Promise ? await inTime(reading, 'a multipart body') : reading;
        judge(parameters, ENCODINGS[index % ENCODINGS.length] ?? 'auto');
      }
    },
    stop: async () => {},
  };
}

function textOf(parameters: Parameters, name: string): string | undefined {
  const text = parameters.text(name);
  if (text !== undefined) assert.doesNotMatch(text, CONTROL_BUT_LINE_FEED);
  return text;
}

/** As far as the damage allows: what follows the first `?`, the Content-Type, what follows the first empty line. */
function cutRequest(input: Buffer): { query: string; contentType: string | undefined; body: Buffer } {
  const text = input.toString('latin1');
  const headEnd = text.indexOf('\r\n\r\n');
  const head = headEnd < 0 ? text : text.slice(0, headEnd);
  const queryAt = head.indexOf('?');
  const query = queryAt < 0 ? head : (head.slice(queryAt + 1).split(' HTTP/', 1)[0] ?? '');
  const contentType = /content-type: ?([^\r\n]*)/i.exec(head)?.[1];
  return { query, contentType, body: headEnd < 0 ? Buffer.alloc(0) : input.subarray(headEnd + 4) };
}
