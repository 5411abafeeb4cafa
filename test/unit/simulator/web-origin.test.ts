import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Asked, originRefusal } from '../../../src/simulator/web-origin.ts';

const HERE = '127.0.0.1:8080';

function refusal(asked: Partial<Asked>, names: readonly string[] | undefined = ['127.0.0.1']): string | undefined {
  return originRefusal({ host: HERE, origin: undefined, fetchSite: undefined, ...asked }, names);
}

test('programs that say nothing of a page pass, by every name of loopback and that of the listener', () => {
  for (const host of [undefined, HERE, 'localhost', 'LocalHost:8080', '127.8.0.1:80', '[::1]:8080']) {
    assert.equal(refusal({ host }), undefined, String(host));
  }
  assert.equal(refusal({ host: 'Phones.lan:8080' }, ['phones.lan']), undefined);
  assert.equal(refusal({ host: '[fd00::1]:8080' }, ['fd00:0::1']), undefined);
});

test('a name that a page has had rebound to loopback is refused, unless the sandbox is public', () => {
  for (const host of ['evil.example:8080', 'localhost.evil.example', '127.0.0.1.evil.example', '192.0.2.1', '@', '']) {
    assert.match(refusal({ host }) ?? '', /localhost/, host);
    assert.equal(originRefusal({ host, origin: undefined, fetchSite: undefined }, undefined), undefined);
  }
});

test('a page of the same host passes, one of another is refused whether the sandbox is public or not', () => {
  assert.equal(refusal({ origin: 'http://127.0.0.1:8080', fetchSite: 'same-origin' }), undefined);
  assert.equal(refusal({ host: 'localhost:443', origin: 'https://localhost' }), undefined);
  assert.equal(refusal({ fetchSite: 'none' }), undefined);
  for (const names of [['127.0.0.1'], undefined]) {
    for (const origin of ['https://evil.example', 'http://127.0.0.1:3000', 'http://127.0.0.1', 'null', 'file://', '']) {
      assert.match(refusal({ origin }, names) ?? '', /another site/, origin);
    }
    assert.match(refusal({ fetchSite: 'cross-site' }, names) ?? '', /another site/);
    assert.match(refusal({ host: undefined, origin: 'http://127.0.0.1' }, names) ?? '', /another site/);
  }
});
