import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contactOf, dialogOfRequest, dialogOfResponse, nextHop, requestWithin } from '../../../src/sip/dialog.ts';
import { Credentials } from '../../../src/sip/digest.ts';
import { identify } from '../../../src/sip/header-values.ts';
import { parseMessage, type SipMessage, serialiseMessage } from '../../../src/sip/message.ts';
import { readMedia, writeAnswer } from '../../../src/sip/sdp.ts';
import { StreamFraming } from '../../../src/sip/stream-framing.ts';
import { mutated, randomOf } from './mutation.ts';

/** With those of RTP (rtp-packet.test.ts) a million; `npm run test:fuzz` takes a million of each. */
const DATAGRAMS = Number(process.env.FEIGE_FUZZ_DATAGRAMS ?? 400_000);
const SEED = 20_261_122;
const LOCAL = { address: '192.0.2.1', port: 30_000 };
const ORIGIN = { id: 1, version: 1 };

/** Everything that is ever read out of a peer's message. */
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
  const again = parseMessage(serialiseMessage(requestWithin(dialog, { method: 'BYE' })));
  assert.equal(again.kind, 'message');
  return true;
}

test(`${DATAGRAMS} damaged datagrams are read without an exception, and what is read can be answered`, () => {
  const random = randomOf(SEED);
  const seen = { message: 0, malformed: 0, 'keep-alive': 0, identified: 0 };
  for (let count = 0; count < DATAGRAMS; count += 1) {
    const result = parseMessage(mutated(random));
    seen[result.kind] += 1;
    if (result.kind === 'message' && readAll(result.message)) seen.identified += 1;
  }
  // A run in which nothing, or everything, is refused would show nothing.
  for (const share of [seen.malformed, seen.identified]) assert.ok(share > DATAGRAMS / 10, JSON.stringify(seen));
});

test('damaged streams are cut or given up, never thrown at', () => {
  const random = randomOf(SEED);
  for (let stream = 0; stream < 2_000; stream += 1) {
    const framing = new StreamFraming();
    for (let count = 0; count < 5; count += 1) {
      const bytes = mutated(random);
      const at = random(bytes.length);
      for (const chunk of [bytes.subarray(0, at), bytes.subarray(at)]) {
        for (const message of framing.feed(chunk).messages) parseMessage(message);
      }
    }
  }
});
