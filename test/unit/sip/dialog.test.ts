import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Dialog, nextHop, requestWithin, targetBeside } from '../../../src/sip/dialog.ts';
import type { Flow } from '../../../src/sip/flow.ts';
import { parseUri, type SipUri } from '../../../src/sip/header-values.ts';
import { headerLinesOf, headerOf } from '../../../src/sip/message.ts';

function dialog(routeSet: string[]): Dialog {
  return {
    callId: 'c',
    localTag: 'l',
    remoteTag: 'r',
    localUri: 'sip:us@a',
    remoteUri: 'sip:them@b',
    routeSet,
    remoteTarget: 'sip:them@192.0.2.5:5070',
    localCseq: 3,
    remoteCseq: undefined,
  };
}

function uri(text: string): SipUri {
  const parsed = parseUri(text);
  assert.ok(parsed !== undefined);
  return parsed;
}

function flow(transport: Flow['transport'], open = true): Flow {
  const made: Flow = {
    transport,
    reliable: transport !== 'udp',
    host: 'trunk.example',
    remote: { address: '192.0.2.1', port: 5060 },
    local: { address: '192.0.2.100', port: 5060 },
    open,
    towards: () => made,
    send: () => undefined,
  };
  return made;
}

test('without a route a request goes to the target', () => {
  const made = dialog([]);
  const bye = requestWithin(made, { method: 'BYE' });
  assert.equal(bye.uri, 'sip:them@192.0.2.5:5070');
  assert.equal(headerOf(bye, 'CSeq'), '4 BYE');
  assert.equal(headerOf(bye, 'From'), '<sip:us@a>;tag=l');
  assert.equal(headerOf(bye, 'To'), '<sip:them@b>;tag=r');
  assert.equal(nextHop(made)?.port, 5070);
  assert.equal(headerOf(requestWithin(made, { method: 'ACK', cseq: 2 }), 'CSeq'), '2 ACK');
  assert.equal(made.localCseq, 4);
});

test('loose routers keep the target in the Request-URI, a strict one takes its place', () => {
  const loose = dialog(['<sip:p1;lr>', '<sip:p2>']);
  const first = requestWithin(loose, { method: 'BYE' });
  assert.equal(first.uri, 'sip:them@192.0.2.5:5070');
  assert.deepEqual(headerLinesOf(first, 'Route'), ['<sip:p1;lr>', '<sip:p2>']);
  assert.equal(nextHop(loose)?.host, 'p1');
  const strict = dialog(['<sip:p1>', '<sip:p2;lr>']);
  const second = requestWithin(strict, { method: 'BYE' });
  assert.equal(second.uri, 'sip:p1');
  assert.deepEqual(headerLinesOf(second, 'Route'), ['<sip:p2;lr>', '<sip:them@192.0.2.5:5070>']);
  assert.equal(nextHop(strict)?.host, 'p1');
});

test("the call's own flow is used where it leads to the next hop", () => {
  assert.equal(targetBeside(flow('udp'), uri('sip:x@192.0.2.1'), undefined), undefined);
  assert.equal(targetBeside(flow('udp'), uri('sip:x@TRUNK.example:5060'), undefined), undefined);
  assert.equal(targetBeside(flow('tcp'), uri('sip:x@192.0.2.1:5060'), undefined), undefined);
  assert.equal(targetBeside(flow('tcp'), uri('sip:x@192.0.2.1:5060;transport=TCP'), undefined), undefined);
});

test('otherwise the URI says where to', () => {
  const tls = { servername: 'x' };
  assert.deepEqual(targetBeside(flow('tcp', false), uri('sip:192.0.2.1'), undefined), {
    transport: 'tcp',
    host: '192.0.2.1',
    port: 5060,
  });
  assert.deepEqual(targetBeside(flow('tcp'), uri('sip:198.51.100.1:5080'), tls), {
    transport: 'udp',
    host: '198.51.100.1',
    port: 5080,
  });
  assert.deepEqual(targetBeside(flow('udp'), uri('sip:198.51.100.1;transport=tls'), tls), {
    transport: 'tls',
    host: '198.51.100.1',
    port: 5061,
    tls,
  });
  assert.equal(targetBeside(flow('udp'), uri('sips:198.51.100.1'), undefined)?.transport, 'tls');
});
