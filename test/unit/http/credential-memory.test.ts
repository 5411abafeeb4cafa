import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { CredentialMemory } from '../../../src/http/credential-memory.ts';
import { RecentMap } from '../../../src/http/recent-map.ts';

test('the key of a credential is its HMAC-SHA256', () => {
  const ascii = (maxLength: number): fc.Arbitrary<string> =>
    fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength });
  fc.assert(
    fc.property(fc.array(fc.tuple(ascii(32), ascii(64)), { maxLength: 5 }), (credentials) => {
      const key = Buffer.from(randomBytes(64).map((byte) => byte & 0x7f));
      const memory = new CredentialMemory(key);
      for (const [username, password] of credentials) {
        const expected = createHmac('sha256', key).update(`${username}\0${password}`).digest('hex');
        assert.equal(memory.keyOf(username, password), expected);
      }
    }),
  );
});

test('a credential counts for the stored hash it was compared with, and for nothing else', () => {
  const memory = new CredentialMemory();
  const key = memory.keyOf('test', '1234');
  assert.ok(!memory.isRight(key, 'h') && !memory.isWrong(key, 'h'));
  memory.remember(key, 'h', true);
  assert.ok(memory.isRight(key, 'h') && !memory.isRight(key, 'g') && !memory.isWrong(key, 'h'));
  assert.ok(!memory.isRight(new CredentialMemory().keyOf('test', '1234'), 'h'));
});

test('a map of recent entries is bounded, and keeps what is used', () => {
  const map = new RecentMap<number>(100);
  map.set('used', -1);
  for (let entry = 0; entry < 1_000; entry++) {
    map.set(`entry ${entry}`, entry);
    assert.equal(map.get('used'), -1);
    assert.ok(map.size <= 100);
  }
  assert.equal(map.get('entry 999'), 999);
  assert.equal(map.get('entry 950'), 950);
  assert.equal(map.get('entry 500'), undefined);
});
