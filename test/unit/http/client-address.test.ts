import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { AddressList, ClientAddresses, parseAddress, siteOf } from '../../../src/http/client-address.ts';

function clientOf(peer: string, forwarded: string | undefined, trustedProxies: string[]): string | undefined {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  const request = { socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage;
  return new ClientAddresses({ trustedProxies }).of(request)?.toString();
}

function isIn(address: string, list: string[]): boolean {
  return new AddressList(list).has(parseAddress(address) ?? assert.fail(address));
}

test('X-Forwarded-For of a peer that is no trusted proxy is not believed', () => {
  assert.equal(clientOf('198.51.100.1', '203.0.113.7', []), '198.51.100.1');
  assert.equal(clientOf('198.51.100.1', '203.0.113.7', ['10.0.0.0/8']), '198.51.100.1');
});

test('behind trusted proxies the client is the last hop that is none of them', () => {
  const proxies = ['10.0.0.0/8', '::1'];
  assert.equal(clientOf('10.0.0.1', '203.0.113.7', proxies), '203.0.113.7');
  assert.equal(clientOf('10.0.0.1', '1.1.1.1, 203.0.113.7 , 10.2.3.4', proxies), '203.0.113.7');
  assert.equal(clientOf('::ffff:10.0.0.1', '203.0.113.7:4711', proxies), '203.0.113.7');
  assert.equal(clientOf('::1', '[2001:db8::7]:443', proxies), '2001:db8::7');
  assert.equal(clientOf('10.0.0.1', undefined, proxies), '10.0.0.1');
  assert.equal(clientOf('10.0.0.1', '10.0.0.2,10.0.0.3', proxies), '10.0.0.2');
});

test('a hop that is no address ends the search: nothing left of it is believed', () => {
  assert.equal(clientOf('10.0.0.1', '203.0.113.7, unknown, 10.0.0.2', ['10.0.0.0/8']), '10.0.0.2');
  assert.equal(clientOf('10.0.0.1', '', ['10.0.0.0/8']), '10.0.0.1');
});

test('addresses and CIDRs of both families match, mapped IPv4 as IPv4', () => {
  assert.ok(isIn('192.0.2.200', ['192.0.2.0/24']));
  assert.ok(!isIn('192.0.3.1', ['192.0.2.0/24']));
  assert.ok(isIn('::ffff:192.0.2.1', ['192.0.2.1']));
  assert.ok(isIn('192.0.2.1', ['::ffff:192.0.2.0/120']));
  assert.ok(!isIn('192.0.3.1', ['::ffff:192.0.2.0/120']));
  assert.ok(isIn('2001:db8:1::1', ['192.0.2.1', '2001:db8::/32']));
  assert.ok(!isIn('2001:db9::1', ['2001:db8::/32']));
  assert.ok(isIn('10.1.2.3', ['0.0.0.0/0']));
  assert.ok(!isIn('::1', ['0.0.0.0/0']));
});

test('an entry that is no address matches nothing', () => {
  for (const entry of ['', 'localhost', '1.2.3', '1.2.3.4/33', '1.2.3.4/', '::1/129', '010.1.2.3']) {
    assert.ok(!isIn('1.2.3.4', [entry]), entry);
    assert.ok(!isIn('::1', [entry]), entry);
  }
});

test('an IPv6 client is known by its /64', () => {
  assert.equal(siteOf(parseAddress('2001:db8::1')), siteOf(parseAddress('2001:db8::ffff:1')));
  assert.notEqual(siteOf(parseAddress('2001:db8::1')), siteOf(parseAddress('2001:db8:0:1::1')));
  assert.notEqual(siteOf(parseAddress('192.0.2.1')), siteOf(parseAddress('192.0.2.2')));
});
