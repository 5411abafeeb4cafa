import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeSecretKey, parseSecretKey, SecretKeys } from '../../../src/base/secret-keys.ts';

const KEY = Buffer.alloc(32, 1).toString('base64');
const OTHER = Buffer.alloc(32, 2).toString('base64');
const PLACE = 'operators/alpha';

test('what was sealed opens again in its place, whatever it is', () => {
  const keys = new SecretKeys([KEY]);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, place) => {
      assert.deepEqual(keys.open(keys.seal(text, place), place), { kind: 'opened', text, isCurrent: true });
    }),
  );
});

test('the same text is sealed differently each time, and shows nothing of itself', () => {
  const keys = new SecretKeys([KEY]);
  const [one, two] = [keys.seal('operator-password', PLACE), keys.seal('operator-password', PLACE)];
  assert.notEqual(one, two);
  assert.ok(!one.includes('operator-password'));
  assert.ok(!one.includes(Buffer.from('operator-password').toString('base64url').slice(2, -2)));
});

test('in another place it does not open', () => {
  const keys = new SecretKeys([KEY]);
  const sealed = keys.seal('pw', PLACE);
  for (const place of ['operators/beta', 'trunks/alpha', '']) {
    assert.deepEqual(keys.open(sealed, place), { kind: 'damaged' });
  }
});

test('with any character changed or cut off it does not open, and nothing is thrown', () => {
  const keys = new SecretKeys([KEY]);
  const sealed = keys.seal('pw', PLACE);
  for (let at = 0; at < sealed.length; at++) {
    const replaced = sealed[at] === 'A' ? 'B' : 'A';
    const changed = sealed.slice(0, at) + replaced + sealed.slice(at + 1);
    // The last character of base64 may hold bits that mean nothing.
    const same = Buffer.from(changed, 'base64url').equals(Buffer.from(sealed, 'base64url'));
    if (!same && at < sealed.length - 1) assert.notEqual(keys.open(changed, PLACE).kind, 'opened', String(at));
    assert.notEqual(keys.open(sealed.slice(0, at), PLACE).kind, 'opened', String(at));
  }
  fc.assert(fc.property(fc.string(), (garbage) => assert.notEqual(keys.open(garbage, PLACE).kind, 'opened')));
});

test('a key that is not there is named by its id; one that was there before still opens', () => {
  const old = new SecretKeys([OTHER]);
  const sealed = old.seal('pw', PLACE);
  assert.deepEqual(new SecretKeys([KEY]).open(sealed, PLACE), { kind: 'no-key', keyId: old.currentId });
  const rotated = new SecretKeys([KEY, OTHER]);
  assert.deepEqual(rotated.open(sealed, PLACE), { kind: 'opened', text: 'pw', isCurrent: false });
  const anew = rotated.seal('pw', PLACE);
  assert.deepEqual(new SecretKeys([KEY]).open(anew, PLACE), { kind: 'opened', text: 'pw', isCurrent: true });
});

test('a key is 32 bytes in base64, base64url or hex, and nothing else', () => {
  const bytes = Buffer.from(Array.from({ length: 32 }, (_, index) => 255 - index));
  const written = bytes.toString('base64');
  for (const text of [written, written.slice(0, -1), bytes.toString('base64url'), bytes.toString('hex')]) {
    assert.equal(parseSecretKey(text), written, text);
  }
  assert.equal(parseSecretKey(bytes.toString('hex').toUpperCase()), written);
  for (const text of ['', 'correct horse battery staple', bytes.subarray(1).toString('base64'), `${written}A`]) {
    assert.equal(parseSecretKey(text), undefined, text);
  }
  assert.notEqual(makeSecretKey(), makeSecretKey());
  assert.equal(parseSecretKey(makeSecretKey())?.length, 44);
});

test('without a key nothing is sealed and nothing opens', () => {
  const none = new SecretKeys([]);
  assert.equal(none.currentId, undefined);
  assert.throws(() => none.seal('pw', PLACE), /no key/);
  assert.equal(none.open(new SecretKeys([KEY]).seal('pw', PLACE), PLACE).kind, 'no-key');
});

test('what this version seals a later one has to open', () => {
  const sealed = 'v1.cce8097a.HvfxKal7PL0jpMUFf7kC9BkZP-MpBnoY8YwWMhohVHASXK3R1Q';
  assert.deepEqual(new SecretKeys([KEY]).open(sealed, PLACE), { kind: 'opened', text: 'pass-word', isCurrent: true });
});

test('neither keys nor their bytes show when the object is printed', async () => {
  const { inspect } = await import('node:util');
  const keys = new SecretKeys([KEY]);
  const shown = inspect(keys, { depth: 9, showHidden: true }) + JSON.stringify(keys);
  assert.ok(!shown.includes(KEY.slice(0, 20)) && !shown.includes('01 01 01'));
});
