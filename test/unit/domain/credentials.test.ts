/** Point 18. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWellFormedPassword, isWellFormedUsername } from '../../../src/domain/credentials.ts';

test('a username is 1 to 32 letters, digits, underscores, dots, dashes and at signs', () => {
  for (const good of ['t', 'test', 'a_b.c-d@e', '0', 'A'.repeat(32)]) assert.ok(isWellFormedUsername(good), good);
  for (const bad of ['', 'A'.repeat(33), 'a b', 'a\n', 'é', '中', 'a+b', 'ａ'])
    assert.ok(!isWellFormedUsername(bad), bad);
});

test('a password is 4 to 64 printable ASCII characters', () => {
  for (const good of ['1234', 'a b~', '!"#$%&', 'x'.repeat(64)]) assert.ok(isWellFormedPassword(good), good);
  for (const bad of ['', '123', 'x'.repeat(65), '123\n', '1234\n', 'pässword', '密碼密碼', '12\u007f34']) {
    assert.ok(!isWellFormedPassword(bad), bad);
  }
});
