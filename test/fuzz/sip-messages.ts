/**
 * Damaged SIP, each input as a datagram and several behind one another as a stream: out of what can be read is taken
 * everything that a call reads out of a peer's message, and what belongs to a dialog can be answered within it.
 */
import assert from 'node:assert/strict';
import { contactOf, dialogOfRequest, dialogOfResponse, nextHop, requestWithin } from '../../src/sip/dialog.ts';
import { Credentials } from '../../src/sip/digest.ts';
import { identify } from '../../src/sip/header-values.ts';
import { MAX_HEADER_BYTES, parseMessage, type SipMessage, serialiseMessage } from '../../src/sip/message.ts';
import { readMedia, writeAnswer } from '../../src/sip/sdp.ts';
import { StreamFraming } from '../../src/sip/stream-framing.ts';
import type { FuzzTarget, StartedTarget, Verdicts } from './target.ts';
import { readTextCorpus } from './text-corpus.ts';

const LOCAL = { address: '192.0.2.1', port: 30_000 };
const ORIGIN = { id: 1, version: 1 };
const INPUTS_OF_A_STREAM = 5;
const OWN_WORDS_BYTES = 200;
const SPICE = '\r\n|\r\n\r\n|<|>|"|\\|,|;|:|@|=|%|[|]|\0| |999999999|é|Content-Length: 99999\r\n|l: 0\r\n'.split('|');

export function sipMessages(): FuzzTarget {
  const seeds = { inputs: readTextCorpus('sip.txt'), spice: SPICE.map((piece) => Buffer.from(piece)) };
  return { name: 'sip messages', share: 1, seeds, start: async () => startMessages() };
}

function startMessages(): StartedTarget {
  const verdicts: Verdicts = { good: 0, broken: 0 };
  return {
    verdicts,
    feed: async (inputs) => {
      for (const input of inputs) {
        const result = parseMessage(input);
        verdicts[result.kind === 'message' && readAll(result.message) ? 'good' : 'broken'] += 1;
      }
      for (let at = 0; at < inputs.length; at += INPUTS_OF_A_STREAM) {
        readStream(inputs.slice(at, at + INPUTS_OF_A_STREAM));
      }
    },
    stop: async () => {},
  };
}

/** False for what belongs to no dialog. */
function readAll(message: SipMessage): boolean {
  const description = message.body.toString('utf8');
  if (readMedia(description).kind === 'media') writeAnswer(description, LOCAL, ORIGIN);
  contactOf(message);
  if (message.kind === 'response') new Credentials({ username: 'u', password: 'p' }).take(message);
  const identity = identify(message);
  if (identity === undefined) return false;
  const dialog =
    message.kind === 'request'
      ? dialogOfRequest(message, identity, 'tag')
      : dialogOfResponse({ ...message, kind: 'request', method: 'INVITE', uri: 'sip:a' }, message, identity);
  nextHop(dialog);
  const again = serialiseMessage(requestWithin(dialog, { method: 'BYE' }));
  // A head of the longest that is read may be a little longer with our names for its headers.
  if (again.length <= MAX_HEADER_BYTES) assert.equal(parseMessage(again).kind, 'message');
  else assert.ok(again.length < MAX_HEADER_BYTES + OWN_WORDS_BYTES, `${again.length} bytes`);
  return true;
}

/** Cut or given up, never thrown at; a packet ends at a place that depends on the input. */
function readStream(inputs: readonly Buffer[]): void {
  const framing = new StreamFraming();
  for (const [index, input] of inputs.entries()) {
    const at = ((input[index] ?? 0) * input.length) >> 8;
    for (const chunk of [input.subarray(0, at), input.subarray(at)]) {
      for (const message of framing.feed(chunk).messages) parseMessage(message);
    }
  }
}
