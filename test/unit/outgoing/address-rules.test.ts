import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { describe, test } from 'node:test';
import { AddressRules, portOf } from '../../../src/outgoing/address-rules.ts';

const none = () => [];
const strict = new AddressRules({ allow: [], platformListeners: none });

const FORBIDDEN: readonly [string, string][] = [
  ['127.0.0.1', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['2130706433', 'loopback in decimal'],
  ['0x7f000001', 'loopback in hex'],
  ['0177.0.0.1', 'loopback in octal'],
  ['127.1', 'loopback in short form'],
  ['0.0.0.0', 'this host'],
  ['0.1.2.3', 'this network'],
  ['10.0.0.1', 'private'],
  ['10.255.255.255', 'private'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['192.168.1.1', 'private'],
  ['100.64.0.1', 'shared address space'],
  ['100.127.255.255', 'shared address space'],
  ['169.254.169.254', 'metadata service'],
  ['168.63.129.16', 'Azure host'],
  ['::ffff:168.63.129.16', 'Azure host, mapped'],
  ['100.100.100.200', 'metadata service in shared address space'],
  ['192.0.0.192', 'metadata service among protocol assignments'],
  ['169.254.0.1', 'link-local'],
  ['192.0.0.8', 'IETF protocol assignments'],
  ['192.0.2.1', 'documentation'],
  ['198.51.100.7', 'documentation'],
  ['203.0.113.7', 'documentation'],
  ['192.88.99.1', '6to4 relay'],
  ['198.18.0.1', 'benchmarking'],
  ['198.19.255.255', 'benchmarking'],
  ['224.0.0.1', 'multicast'],
  ['239.255.255.250', 'multicast'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.255', 'broadcast'],
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['0:0:0:0:0:0:0:1', 'loopback written out'],
  ['::127.0.0.1', 'IPv4-compatible'],
  ['::8.8.8.8', 'IPv4-compatible'],
  ['::ffff:127.0.0.1', 'mapped loopback'],
  ['::ffff:7f00:1', 'mapped loopback in hex'],
  ['::ffff:10.0.0.1', 'mapped private'],
  ['::ffff:169.254.169.254', 'mapped metadata service'],
  ['::ffff:0:127.0.0.1', 'translated (RFC 6145)'],
  ['64:ff9b::7f00:1', 'NAT64 of loopback'],
  ['64:ff9b::8.8.8.8', 'NAT64'],
  ['64:ff9b:1::1', 'local NAT64'],
  ['2002:7f00:1::', '6to4 of loopback'],
  ['2002:808:808::1', '6to4'],
  ['2001::1', 'Teredo'],
  ['2001:db8::1', 'documentation'],
  ['3fff::1', 'documentation'],
  ['fe80::1', 'link-local'],
  ['fe80::1%eth0', 'link-local with a zone'],
  ['fec0::1', 'site-local'],
  ['fc00::1', 'unique local'],
  ['fd12:3456:789a::1', 'unique local'],
  ['fd00:ec2::254', 'metadata service'],
  ['ff02::1', 'multicast'],
  ['100::1', 'discard'],
  ['5f00::1', 'segment routing'],
  ['4000::1', 'not yet assigned'],
  ['localhost', 'not an address'],
  ['', 'not an address'],
  ['1.2.3.4.5', 'not an address'],
  ['8.8.8.8/8', 'not an address'],
];

const ALLOWED = [
  '8.8.8.8',
  '1.1.1.1',
  '168.95.1.1',
  '172.15.255.255',
  '172.32.0.1',
  '192.0.1.1',
  '100.63.255.255',
  '100.128.0.1',
  '223.255.255.255',
  '::ffff:8.8.8.8',
  '2001:b000:168::1',
  '2606:4700:4700::1111',
  '2404:6800:4012::200e',
];

describe('addresses that customers name', () => {
  for (const [address, why] of FORBIDDEN) {
    test(`${address || '(empty)'} is refused: ${why}`, () => assert.equal(strict.isAllowed(address, 80), false));
  }
  for (const address of ALLOWED) {
    test(`${address} is global unicast`, () => assert.equal(strict.isAllowed(address, 80), true));
  }
});

describe('literal addresses in URLs', () => {
  const verdicts: readonly [string, 'name' | 'allowed' | 'forbidden'][] = [
    ['http://www.abc.com/twsmsResp.php', 'name'],
    ['http://localhost/', 'name'],
    ['http://127.0.0.1.nip.io/', 'name'],
    ['http://8.8.8.8/', 'allowed'],
    ['http://134744072/', 'allowed'],
    ['https://[2606:4700:4700::1111]:8443/', 'allowed'],
    ['http://127.0.0.1/', 'forbidden'],
    ['http://127.0.0.1./', 'forbidden'],
    ['http://0x7f.1/', 'forbidden'],
    ['http://0177.0.0.01/', 'forbidden'],
    ['http://2130706433/', 'forbidden'],
    ['http://１２７.０.０.１/', 'forbidden'],
    ['http://0/', 'forbidden'],
    ['http://[::1]/', 'forbidden'],
    ['http://[::ffff:127.0.0.1]/', 'forbidden'],
    ['http://[::ffff:a9fe:a9fe]/', 'forbidden'],
    ['http://169.254.169.254/latest/meta-data', 'forbidden'],
  ];
  for (const [url, verdict] of verdicts) {
    test(`${url} is ${verdict}`, () => assert.equal(strict.literalVerdict(new URL(url)), verdict));
  }
});

test('the allow-list opens its ranges, in every notation, and nothing beside them', () => {
  const rules = new AddressRules({
    allow: ['127.0.0.0/8', '::1', '10.1.2.3', 'fd00::/8', '::ffff:192.168.0.0/112'],
    platformListeners: none,
  });
  for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '::1', '10.1.2.3', 'fd12::1', '192.168.7.7']) {
    assert.equal(rules.isAllowed(address, 80), true, address);
  }
  for (const address of ['10.1.2.4', '128.0.0.0/8', 'fc00::1', '10.2.0.1', '169.254.169.254']) {
    assert.equal(rules.isAllowed(address, 80), false, address);
  }
});

test('an allow-list entry that is not a CIDR is named in the error', () => {
  for (const entry of ['nonsense', '10.0.0.0/33', '::ffff:0:0/64']) {
    assert.throws(() => new AddressRules({ allow: [entry], platformListeners: none }), {
      code: 'CONFIG_INVALID',
      message: new RegExp(entry.replaceAll('.', '\\.')),
    });
  }
});

test("the platform's own ports stay closed, whatever the allow-list says", () => {
  const listeners = [
    { address: '127.0.0.1', port: 8080 },
    { address: '::', port: 9090 },
    { address: '8.8.4.4', port: 443 },
  ];
  const rules = new AddressRules({ allow: ['0.0.0.0/0', '::/0'], platformListeners: () => listeners });
  for (const address of ['127.0.0.1', '127.0.0.2', '::1', '0.0.0.0', '::', '::ffff:127.0.0.1']) {
    assert.equal(rules.isAllowed(address, 8080), false, address);
    assert.equal(rules.isAllowed(address, 9090), false, address);
    assert.equal(rules.isAllowed(address, 8081), true, address);
  }
  assert.equal(rules.isAllowed('8.8.4.4', 443), false);
  assert.equal(rules.isAllowed('8.8.4.4', 80), true);
  assert.equal(rules.isAllowed('8.8.8.8', 8080), true);
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  for (const { address } of own) assert.equal(rules.isAllowed(address, 9090), false, address);
});

test('listeners that open later are seen', () => {
  const listeners: { address: string; port: number }[] = [];
  const rules = new AddressRules({ allow: ['127.0.0.0/8'], platformListeners: () => listeners });
  assert.equal(rules.literalVerdict(new URL('http://127.0.0.1:8080/')), 'allowed');
  listeners.push({ address: '127.0.0.1', port: 8080 });
  assert.equal(rules.literalVerdict(new URL('http://127.0.0.1:8080/')), 'forbidden');
});

test('the port of a URL is its own or that of its scheme', () => {
  assert.deepEqual(
    ['http://a/', 'https://a/', 'http://a:81/'].map((url) => portOf(new URL(url))),
    [80, 443, 81],
  );
});
