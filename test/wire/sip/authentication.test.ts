import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { parseParameters } from '../../../src/sip/header-values.ts';
import { headerOf, type SipRequest } from '../../../src/sip/message.ts';
import { contactOf, reply, sdpOf } from './scripted-peer.ts';
import { place, stage, trunkOf } from './watched-call.ts';

const ACCOUNT = { username: 'feige', password: 'se"cret' };
const REALM = 'operator.example';

interface Ask {
  status: 401 | 407;
  algorithm?: 'MD5' | 'SHA-256';
  qop?: string;
  nonce: string;
  stale?: boolean;
}

function challenge({ status, algorithm, qop, nonce, stale }: Ask): { name: string; value: string } {
  const fields = [`realm="${REALM}"`, `nonce="${nonce}"`, 'opaque="op,aque"'];
  if (algorithm !== undefined) fields.push(`algorithm=${algorithm}`);
  if (qop !== undefined) fields.push(`qop="${qop}"`);
  if (stale === true) fields.push('stale=true');
  const name = status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate';
  return { name, value: `Digest ${fields.join(', ')}` };
}

/** Computed here from the request itself, apart from the code under test. */
function assertAuthorized(request: SipRequest, ask: Ask): void {
  const value = headerOf(request, ask.status === 401 ? 'Authorization' : 'Proxy-Authorization') ?? '';
  const given = parseParameters(value.replace(/^Digest /, ''), ',');
  const hash = (text: string): string =>
    createHash(ask.algorithm === 'SHA-256' ? 'sha256' : 'md5')
      .update(text)
      .digest('hex');
  const ha1 = hash(`${ACCOUNT.username}:${REALM}:${ACCOUNT.password}`);
  const ha2 = hash(`${request.method}:${request.uri}`);
  const middle =
    ask.qop === undefined ? ask.nonce : `${ask.nonce}:${given.get('nc')}:${given.get('cnonce')}:${given.get('qop')}`;
  assert.equal(given.get('response'), hash(`${ha1}:${middle}:${ha2}`));
  assert.equal(given.get('uri'), request.uri);
  assert.equal(given.get('opaque'), 'op,aque');
}

const ASKS: Ask[] = [
  { status: 401, nonce: 'n1' },
  { status: 401, nonce: 'n2', algorithm: 'MD5', qop: 'auth' },
  { status: 401, nonce: 'n3', algorithm: 'SHA-256', qop: 'auth,auth-int' },
  { status: 407, nonce: 'n4', algorithm: 'MD5', qop: 'auth' },
  { status: 407, nonce: 'n5', algorithm: 'SHA-256', qop: 'auth' },
];

for (const ask of ASKS) {
  test(`${ask.status} with ${ask.algorithm ?? 'no algorithm'} and ${ask.qop ?? 'no qop'} is answered; ACK and BYE carry it on`, async (t) => {
    const { agent, peer } = await stage(t);
    const seen = place(agent, trunkOf(peer, ACCOUNT));
    const first = await peer.request('INVITE');
    first.send(reply(first.message, ask.status, { headers: [challenge(ask)] }));
    await peer.request('ACK');
    const second = await peer.request('INVITE');
    assert.equal(headerOf(second.message, 'CSeq'), '2 INVITE');
    assert.equal(headerOf(second.message, 'Call-ID'), headerOf(first.message, 'Call-ID'));
    assert.equal(headerOf(second.message, 'From'), headerOf(first.message, 'From'));
    assertAuthorized(second.message, ask);
    second.send(reply(second.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
    const ack = await peer.request('ACK');
    assert.equal(headerOf(ack.message, 'CSeq'), '2 ACK');
    const name = ask.status === 401 ? 'Authorization' : 'Proxy-Authorization';
    assert.equal(headerOf(ack.message, name), headerOf(second.message, name));
    await seen.answered;
    seen.call.hangUp();
    const bye = await peer.request('BYE');
    assertAuthorized(bye.message, ask);
    if (ask.qop !== undefined) assert.match(headerOf(bye.message, name) ?? '', /nc=00000002/);
    bye.send(reply(bye.message, 200));
  });
}

test('a proxy and the server behind it may both ask', async (t) => {
  const { agent, peer } = await stage(t);
  place(agent, trunkOf(peer, ACCOUNT));
  const proxy: Ask = { status: 407, nonce: 'p', qop: 'auth' };
  const server: Ask = { status: 401, nonce: 's', qop: 'auth', algorithm: 'SHA-256' };
  const first = await peer.request('INVITE');
  first.send(reply(first.message, 407, { headers: [challenge(proxy)] }));
  const second = await peer.request('INVITE');
  second.send(reply(second.message, 401, { headers: [challenge(server)] }));
  const third = await peer.request('INVITE');
  assertAuthorized(third.message, proxy);
  assertAuthorized(third.message, server);
  third.send(reply(third.message, 486));
});

test('of two challenges of one realm the topmost that is known is answered', async (t) => {
  const { agent, peer } = await stage(t);
  place(agent, trunkOf(peer, ACCOUNT));
  const first = await peer.request('INVITE');
  const unknown = { name: 'WWW-Authenticate', value: `Digest realm="${REALM}", nonce="x", algorithm=SHA-512-256` };
  const strong: Ask = { status: 401, nonce: 'y', algorithm: 'SHA-256', qop: 'auth' };
  const weak: Ask = { status: 401, nonce: 'z', algorithm: 'MD5', qop: 'auth' };
  first.send(reply(first.message, 401, { headers: [unknown, challenge(strong), challenge(weak)] }));
  const second = await peer.request('INVITE');
  assertAuthorized(second.message, strong);
  second.send(reply(second.message, 486));
});

test('a stale nonce is replaced, a refused password is not tried again', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer, ACCOUNT));
  const asks: Ask[] = [
    { status: 401, nonce: 'a', qop: 'auth' },
    { status: 401, nonce: 'b', qop: 'auth', stale: true },
    { status: 401, nonce: 'c', qop: 'auth' },
  ];
  for (const ask of asks) {
    const invite = await peer.request('INVITE');
    invite.send(reply(invite.message, 401, { headers: [challenge(ask)] }));
    await peer.request('ACK');
  }
  assert.deepEqual(await seen.ended, { kind: 'trunk-failed', reason: 'credentials rejected', status: 401 });
  assert.equal(peer.count('INVITE'), asks.length);
});

test('a peer that calls every nonce stale is not answered for ever', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer, ACCOUNT));
  let ended = false;
  void seen.ended.then(() => {
    ended = true;
  });
  for (let round = 0; round < 9; round += 1) {
    const invite = await peer.request('INVITE');
    invite.send(reply(invite.message, 401, { headers: [challenge({ status: 401, nonce: `n${round}`, stale: true })] }));
    await peer.request('ACK');
  }
  assert.equal((await seen.ended).kind, 'trunk-failed');
  assert.ok(ended);
});

test('a BYE that is challenged anew is sent again', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer, ACCOUNT));
  const ask: Ask = { status: 401, nonce: 'once', qop: 'auth' };
  const first = await peer.request('INVITE');
  first.send(reply(first.message, 401, { headers: [challenge(ask)] }));
  await peer.request('ACK');
  const second = await peer.request('INVITE');
  second.send(reply(second.message, 200, { sdp: sdpOf(41_000), headers: [contactOf(peer)] }));
  await seen.answered;
  seen.call.hangUp();
  const bye = await peer.request('BYE');
  const again: Ask = { ...ask, nonce: 'another' };
  bye.send(reply(bye.message, 401, { headers: [challenge(again)] }));
  const repeated = await peer.request('BYE');
  assertAuthorized(repeated.message, again);
  assert.equal(headerOf(repeated.message, 'CSeq'), '4 BYE');
  repeated.send(reply(repeated.message, 200));
});

test('a challenge of an unknown scheme ends the call', async (t) => {
  const { agent, peer } = await stage(t);
  const seen = place(agent, trunkOf(peer, ACCOUNT));
  const invite = await peer.request('INVITE');
  invite.send(reply(invite.message, 401, { headers: [{ name: 'WWW-Authenticate', value: 'Bearer realm="x"' }] }));
  assert.deepEqual(await seen.ended, { kind: 'trunk-failed', reason: 'no digest we know', status: 401 });
});
