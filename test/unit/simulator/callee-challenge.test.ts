import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Credentials } from '../../../src/sip/digest.ts';
import { NO_BODY, type SipHeader, type SipRequest } from '../../../src/sip/message.ts';
import { CalleeChallenge } from '../../../src/simulator/callee-challenge.ts';

const URI = 'sip:0912345678@127.0.0.1';
const account = { realm: 'sandbox', username: 'feige', password: 'secret' };
const invite = (headers: SipHeader[] = []): SipRequest => {
  return { kind: 'request', method: 'INVITE', uri: URI, headers, body: NO_BODY };
};
/** What a client that knows this password makes of the challenge. */
function answerTo(challenge: SipHeader[], password = account.password): SipRequest {
  const client = new Credentials({ username: account.username, password });
  client.take({ kind: 'response', status: 401, reason: '', headers: challenge, body: NO_BODY });
  return invite(client.headersFor('INVITE', URI));
}

for (const algorithm of ['SHA-256', 'MD5']) {
  test(`the right password is let in with ${algorithm}, a wrong one is asked again`, () => {
    const callee = new CalleeChallenge(account);
    const challenge = (callee.judge(invite(), 1_000) ?? []).filter(({ value }) => value.includes(algorithm));
    assert.equal(challenge.length, 1);
    assert.equal(callee.judge(answerTo(challenge), 2_000), undefined);
    const again = callee.judge(answerTo(challenge, 'wrong'), 2_000);
    assert.equal(again?.length, 2);
    assert.ok(again.every(({ value }) => !value.includes('stale')));
  });
}

test('a nonce that is too old, or not ours, is stale', () => {
  const callee = new CalleeChallenge(account);
  const old = answerTo(callee.judge(invite(), 1_000) ?? []);
  assert.equal(callee.judge(old, 60_000), undefined);
  assert.match(callee.judge(old, 62_000)?.[0]?.value ?? '', /stale=true/);
  const foreign = answerTo(new CalleeChallenge(account).judge(invite(), 1_000) ?? []);
  assert.match(callee.judge(foreign, 1_000)?.[0]?.value ?? '', /stale=true/);
});

test('what is no digest is asked for one', () => {
  const callee = new CalleeChallenge(account);
  for (const value of [
    '',
    'Digest',
    'Digest x',
    'Basic abc',
    'Digest username="feige", realm="sandbox"',
    'Digest nc=zz',
  ]) {
    assert.equal(callee.judge(invite([{ name: 'Authorization', value }]), 0)?.length, 2);
  }
});
