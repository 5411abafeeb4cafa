import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  escapeUser,
  headerListOf,
  hostPort,
  identify,
  parseNameAddress,
  parseParameters,
  parseUri,
  parseVia,
  splitOutsideQuotes,
} from '../../../src/sip/header-values.ts';
import { NO_BODY, type SipHeader, type SipRequest } from '../../../src/sip/message.ts';

function request(...headers: [string, string][]): SipRequest {
  const list: SipHeader[] = headers.map(([name, value]) => ({ name, value }));
  return { kind: 'request', method: 'INVITE', uri: 'sip:a', headers: list, body: NO_BODY };
}

test('lists are split outside of quotes and brackets', () => {
  assert.deepEqual(splitOutsideQuotes('"a, \\" b" <sip:x,y@z>;p="1,2", <sip:c> ,, d', ','), [
    '"a, \\" b" <sip:x,y@z>;p="1,2"',
    '<sip:c>',
    'd',
  ]);
  const lines = request(['Route', '<sip:a;lr>, <sip:b;lr>'], ['Route', '<sip:c>']);
  assert.deepEqual(headerListOf(lines, 'route'), ['<sip:a;lr>', '<sip:b;lr>', '<sip:c>']);
});

test('parameters keep their first value, without quotes', () => {
  assert.deepEqual(
    [...parseParameters(';LR;a=b ; c = "d;\\"e" ;a=z')],
    [
      ['lr', ''],
      ['a', 'b'],
      ['c', 'd;"e'],
    ],
  );
});

test('a name-addr: display names, brackets, and parameters of the header or of the URI', () => {
  const quoted = parseNameAddress('"Bob <not@this>" <sip:bob@b.example;transport=tcp>;tag=1');
  assert.equal(quoted?.uri, 'sip:bob@b.example;transport=tcp');
  assert.deepEqual([...(quoted?.parameters ?? [])], [['tag', '1']]);
  const bare = parseNameAddress('sip:bob@b.example;tag=1');
  assert.equal(bare?.uri, 'sip:bob@b.example');
  assert.equal(bare?.parameters.get('tag'), '1');
  assert.equal(parseNameAddress('<tel:+886912345678>')?.uri, 'tel:+886912345678');
  for (const text of ['', '*', '<sip:a', '"x" ', 'nothing', '<sip:a b>'])
    assert.equal(parseNameAddress(text), undefined);
});

test('a URI that no request line could hold is none', () => {
  const ofLength = (length: number): string => `sip:${'a'.repeat(length - 'sip:@b'.length)}@b`;
  assert.equal(parseNameAddress(`<${ofLength(2_048)}>`)?.uri, ofLength(2_048));
  assert.equal(parseNameAddress(`<${ofLength(2_049)}>`), undefined);
  assert.equal(parseNameAddress(ofLength(2_049)), undefined);
});

test('a URI: user, host, port, parameters', () => {
  assert.deepEqual(parseUri('SIPS:b%20ob:pw@[2001:db8::1]:5071;lr;Transport=TCP?x=y'), {
    scheme: 'sips',
    user: 'b ob',
    host: '2001:db8::1',
    port: 5071,
    parameters: new Map([
      ['lr', ''],
      ['transport', 'TCP'],
    ]),
  });
  assert.equal(parseUri('sip:host')?.port, undefined);
  assert.equal(parseUri('sip:%zz@host')?.user, '%zz');
  for (const text of ['tel:+8869', 'sip:', 'sip:a@', 'sip:h:0', 'sip:h:65536', 'sip:a b@h', '<sip:h>']) {
    assert.equal(parseUri(text), undefined, text);
  }
});

test('a Via, with all the blanks that are allowed', () => {
  const via = parseVia('SIP / 2.0 / udp  [::1] : 5070 ;branch=z9hG4bKx; rport');
  assert.deepEqual(via, {
    transport: 'UDP',
    host: '::1',
    port: 5070,
    parameters: new Map([
      ['branch', 'z9hG4bKx'],
      ['rport', ''],
    ]),
  });
  for (const text of ['', 'SIP/2.0/UDP', 'SIP/3.0/UDP a', 'SIP/2.0/UDP a:0']) assert.equal(parseVia(text), undefined);
});

const VIA: [string, string] = ['Via', 'SIP/2.0/UDP a;branch=z9hG4bK1'];
const FROM: [string, string] = ['From', '<sip:a@b>;tag=1'];
const TO: [string, string] = ['To', '<sip:c@d>'];
const CALL: [string, string] = ['Call-ID', 'x'];

test('a message is identified by its mandatory headers, and by none less', () => {
  const identity = identify(request(VIA, FROM, TO, CALL, ['CSeq', '17  INVITE']));
  assert.equal(identity?.cseq, 17);
  assert.equal(identity?.branch, 'z9hG4bK1');
  assert.equal(identity?.fromTag, '1');
  assert.equal(identity?.toTag, '');
  const cseq: [string, string] = ['CSeq', '1 INVITE'];
  for (const headers of [
    [FROM, TO, CALL, cseq],
    [VIA, TO, CALL, cseq],
    [VIA, FROM, CALL, cseq],
    [VIA, FROM, TO, cseq],
    [VIA, FROM, TO, CALL],
    [VIA, FROM, TO, CALL, ['CSeq', '1 BYE']],
    [VIA, FROM, TO, CALL, ['CSeq', '2147483648 INVITE']],
    [VIA, FROM, TO, CALL, ['CSeq', 'INVITE']],
  ] as [string, string][][]) {
    assert.equal(identify(request(...headers)), undefined);
  }
});

test('a message whose names cannot be said again, for want of UTF-8, is of no use; a display name may be anything', () => {
  const cseq: [string, string] = ['CSeq', '1 INVITE'];
  const broken = Buffer.from([0xfc]).toString('utf8');
  for (const headers of [
    [VIA, ['From', `<sip:a@b>;tag=${broken}`], TO, CALL, cseq],
    [VIA, ['From', `<sip:${broken}@b>;tag=1`], TO, CALL, cseq],
    [VIA, FROM, ['To', `<sip:c@d>;tag=${broken}`], CALL, cseq],
    [VIA, FROM, ['To', `<sip:${broken}@d>`], CALL, cseq],
    [VIA, FROM, TO, ['Call-ID', broken], cseq],
    [VIA, FROM, TO, CALL, cseq, ['Record-Route', `<sip:a>, <sip:${broken};lr>`]],
  ] as [string, string][][]) {
    assert.equal(identify(request(...headers)), undefined);
  }
  assert.equal(identify(request(VIA, ['From', `"M${broken}ller" <sip:a@b>;tag=1`], TO, CALL, cseq))?.fromTag, '1');
});

test('users and hosts are written as the grammar wants them', () => {
  assert.equal(escapeUser('+886 9@x'), '+886%209%40x');
  assert.equal(hostPort('::1', 5060), '[::1]:5060');
  assert.equal(hostPort('a.example'), 'a.example');
});

test('a Via of blanks is refused as quickly as any other', () => {
  const startedMs = performance.now();
  for (let n = 0; n < 100; n += 1) {
    assert.equal(parseVia(`SIP/2.0/UDP a${' '.repeat(8_000)}x`), undefined);
    assert.equal(parseVia(`SIP/2.0/UDP a${' '.repeat(4_000)}:${' '.repeat(4_000)}x`), undefined);
  }
  // 9 s when two parts of the pattern could take the blanks.
  assert.ok(performance.now() - startedMs < 1_000);
  assert.equal(parseVia('SIP / 2.0 / UDP  a : 5062 ;branch=b')?.port, 5_062);
});
