import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorizationValue, type Challenge, Credentials, readChallenges } from '../../../src/sip/digest.ts';
import { NO_BODY, type SipResponse } from '../../../src/sip/message.ts';

const CHALLENGE: Challenge = {
  by: 'server',
  realm: 'http-auth@example.org',
  nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
  opaque: 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS',
  algorithm: 'MD5',
  algorithmName: 'MD5',
  qop: 'auth',
  stale: false,
};
const INPUT = {
  username: 'Mufasa',
  password: 'Circle of Life',
  method: 'GET',
  uri: '/dir/index.html',
  nonceCount: 1,
  cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
};

function asked(status: number, ...values: string[]): SipResponse {
  const name = status === 407 ? 'Proxy-Authenticate' : 'WWW-Authenticate';
  return { kind: 'response', status, reason: '', headers: values.map((value) => ({ name, value })), body: NO_BODY };
}

test('the examples of RFC 7616 §3.9.1 come out', () => {
  const md5 = authorizationValue({ ...INPUT, challenge: CHALLENGE });
  assert.match(md5, /response="8ca523f5e9506fed4657c9700eebdbec"/);
  assert.match(md5, /nc=00000001, cnonce="f2/);
  const sha = authorizationValue({
    ...INPUT,
    challenge: { ...CHALLENGE, algorithm: 'SHA-256', algorithmName: 'SHA-256' },
  });
  assert.match(sha, /response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"/);
});

test('without qop neither nc nor cnonce is written', () => {
  const value = authorizationValue({ ...INPUT, challenge: { ...CHALLENGE, qop: undefined, algorithmName: undefined } });
  assert.doesNotMatch(value, /nc=|cnonce=|qop=|algorithm=/);
});

test('challenges are read with quotes, blanks and commas; those we can not answer are left out', () => {
  const response = asked(
    401,
    'Basic realm="x"',
    'Digest realm="x", nonce="1", algorithm=SHA-512-256',
    'Digest realm="x", nonce="2", qop="auth-int"',
    'Digest nonce="3"',
    'digest  realm = "a, b" ,nonce="4",stale=TRUE, algorithm="sha-256",qop="auth-int, auth"',
  );
  assert.deepEqual(readChallenges(response), [
    {
      by: 'server',
      realm: 'a, b',
      nonce: '4',
      opaque: undefined,
      algorithm: 'SHA-256',
      algorithmName: 'sha-256',
      qop: 'auth',
      stale: true,
    },
  ]);
});

test('credentials answer one challenge per realm, count uses, and stop at a refusal', () => {
  const credentials = new Credentials({ username: 'u', password: 'p' });
  assert.deepEqual(credentials.headersFor('INVITE', 'sip:a'), []);
  assert.equal(credentials.take(asked(401, 'Digest realm="r", nonce="1", qop="auth"')), 'answered');
  assert.equal(credentials.take(asked(407, 'Digest realm="r", nonce="2"')), 'answered');
  assert.deepEqual(
    credentials.headersFor('INVITE', 'sip:a').map(({ name }) => name),
    ['Authorization', 'Proxy-Authorization'],
  );
  assert.match(credentials.headersFor('BYE', 'sip:b')[0]?.value ?? '', /nc=00000002/);
  assert.equal(credentials.take(asked(401, 'Digest realm="r", nonce="3", stale=true')), 'answered');
  assert.equal(credentials.take(asked(401, 'Digest realm="r", nonce="4"')), 'rejected');
  credentials.begin();
  assert.equal(credentials.take(asked(401, 'Digest realm="r", nonce="5"')), 'answered');
});

test('without an account, or without a digest, nothing is answered', () => {
  assert.equal(new Credentials(undefined).take(asked(401, 'Digest realm="r", nonce="1"')), 'no-credentials');
  assert.equal(new Credentials({ username: 'u', password: 'p' }).take(asked(401, 'Basic realm="r"')), 'unsupported');
});
