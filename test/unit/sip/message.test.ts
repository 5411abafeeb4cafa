import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalName,
  headerLinesOf,
  headerOf,
  MAX_MESSAGE_BYTES,
  parseMessage,
  type SipMessage,
  serialiseMessage,
} from '../../../src/sip/message.ts';

function parse(...lines: string[]): SipMessage {
  const result = parseMessage(Buffer.from(lines.join('\r\n')));
  assert.equal(result.kind, 'message');
  return (result as { message: SipMessage }).message;
}

function reasonFor(text: string | Buffer): string {
  const result = parseMessage(Buffer.from(text));
  return result.kind === 'malformed' ? result.reason : result.kind;
}

test('a request is read whatever the case, the form and the folding of its headers', () => {
  const message = parse(
    'INVITE sip:bob@example.net SIP/2.0',
    'v: SIP/2.0/UDP a;branch=z9hG4bK1',
    'VIA:SIP/2.0/UDP b;branch=z9hG4bK2',
    'call-id : abc',
    'Subject: first',
    '  second',
    '\tthird',
    'X-Own:  kept ',
    'l: 4',
    '',
    'bodymore',
  );
  assert.equal(message.kind === 'request' && message.method, 'INVITE');
  assert.equal(message.kind === 'request' && message.uri, 'sip:bob@example.net');
  assert.deepEqual(headerLinesOf(message, 'Via'), ['SIP/2.0/UDP a;branch=z9hG4bK1', 'SIP/2.0/UDP b;branch=z9hG4bK2']);
  assert.equal(headerOf(message, 'i'), 'abc');
  assert.equal(headerOf(message, 'subject'), 'first second third');
  assert.equal(headerOf(message, 'x-own'), 'kept');
  assert.equal(message.body.toString(), 'body');
});

test('a response is read with and without a reason', () => {
  assert.deepEqual(parse('SIP/2.0 180 Ringing now', '', ''), {
    kind: 'response',
    status: 180,
    reason: 'Ringing now',
    headers: [],
    body: Buffer.alloc(0),
  });
  const bare = parse('sip/2.0 200 ', '', '');
  assert.equal(bare.kind === 'response' && bare.reason, '');
  const shorter = parse('SIP/2.0 200', '', '');
  assert.equal(shorter.kind === 'response' && shorter.status, 200);
});

test('line ends before a message are skipped, and alone they are a keep-alive', () => {
  assert.equal(parse('', '', 'OPTIONS sip:a SIP/2.0', '', '').kind, 'request');
  assert.equal(reasonFor('\r\n\r\n'), 'keep-alive');
  assert.equal(reasonFor(''), 'keep-alive');
});

test('what is no SIP is refused with a reason', () => {
  const head = 'OPTIONS sip:a SIP/2.0\r\n';
  assert.equal(reasonFor('hello'), 'no end of headers');
  assert.equal(reasonFor('GET / HTTP/1.1\r\n\r\n'), 'start line');
  assert.equal(reasonFor('SIP/2.0 99 No\r\n\r\n'), 'start line');
  assert.equal(reasonFor('SIP/2.0 700 No\r\n\r\n'), 'start line');
  assert.equal(reasonFor('OPTIONS sip:a b SIP/2.0\r\n\r\n'), 'start line');
  assert.equal(reasonFor(`${head}no colon\r\n\r\n`), 'header without a name');
  assert.equal(reasonFor(`${head}: x\r\n\r\n`), 'header without a name');
  assert.equal(reasonFor(`${head} folded\r\n\r\n`), 'folded line without a header');
  assert.equal(reasonFor(`${head}A: x\nVia: y\r\n\r\n`), 'control character in a header');
  assert.equal(reasonFor(`${head}Content-Length: 9\r\n\r\nshort`), 'Content-Length does not fit');
  assert.equal(reasonFor(`${head}Content-Length: -1\r\n\r\n`), 'Content-Length does not fit');
  assert.equal(reasonFor(`${head}${'A: x\r\n'.repeat(129)}\r\n`), 'too many headers');
  assert.equal(reasonFor(`${head}A: ${'x'.repeat(9_000)}\r\n\r\n`), 'header line too long');
  assert.equal(reasonFor(`${head}A: x\r\n${` ${'y'.repeat(8_000)}\r\n`.repeat(2)}\r\n`), 'header line too long');
  assert.equal(reasonFor(`${head}${`A: ${'x'.repeat(8_000)}\r\n`.repeat(3)}\r\n`), 'headers too long');
  assert.equal(reasonFor(Buffer.alloc(MAX_MESSAGE_BYTES + 1, 'a')), 'too long');
});

test('a value with line ends can not smuggle a header in', () => {
  const bytes = serialiseMessage({
    kind: 'request',
    method: 'OPTIONS',
    uri: 'sip:a\r\nEvil: 1',
    headers: [{ name: 'To', value: '<sip:b>\r\nEvil: 2' }],
    body: Buffer.alloc(0),
  });
  assert.doesNotMatch(bytes.toString(), /\r\nEvil/);
});

const PLAIN = { noNullPrototype: true };

test('what is written is read again', () => {
  const token = fc.stringMatching(/^[A-Za-z0-9\-.!%*_+`'~]{1,20}$/);
  const value = fc.string({ unit: 'binary', maxLength: 60 }).map((text) =>
    text
      .replaceAll(/[\r\n\0]/g, '')
      .replaceAll(/\p{Surrogate}/gu, '')
      .trim(),
  );
  const headers = fc.array(
    fc.record({ name: token.map(canonicalName).filter((name) => name !== 'Content-Length'), value }, PLAIN),
    { maxLength: 20 },
  );
  const body = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  const request = fc.record(
    {
      kind: fc.constant('request' as const),
      method: token.filter((method) => !/^sip$/i.test(method)),
      uri: fc.stringMatching(/^sip:[a-z0-9@.;=:]{1,30}$/),
      headers,
      body,
    },
    PLAIN,
  );
  const response = fc.record(
    {
      kind: fc.constant('response' as const),
      status: fc.integer({ min: 100, max: 699 }),
      reason: fc.stringMatching(/^[A-Za-z ]{0,20}$/),
      headers,
      body,
    },
    PLAIN,
  );
  fc.assert(
    fc.property(fc.oneof(request, response), (message) => {
      const result = parseMessage(serialiseMessage(message));
      assert.equal(result.kind, 'message');
      const read = (result as { message: SipMessage }).message;
      const kept = read.headers.filter(({ name }) => name !== 'Content-Length');
      assert.deepEqual({ ...read, headers: kept }, message);
    }),
    { numRuns: 100 },
  );
});
