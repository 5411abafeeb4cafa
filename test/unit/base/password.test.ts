import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashPassword, verifyPassword } from '../../../src/base/password.ts';

test('a hash is an argon2id PHC string that its password verifies, and no other', async () => {
  const phc = await hashPassword('1234');
  assert.match(phc, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.ok(await verifyPassword('1234', phc));
  assert.ok(!(await verifyPassword('12345', phc)));
  assert.ok(!(await verifyPassword('', phc)));
});

test('two hashes of a password differ by their salt', async () => {
  assert.notEqual(await hashPassword('1234'), await hashPassword('1234'));
});

test('a hash of the reference implementation is verified', async () => {
  // phc-winner-argon2, src/test.c: argon2id, version 0x13, t=2, m=2^8, p=1, "password", "somesalt".
  const phc = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
  assert.ok(await verifyPassword('password', phc));
  assert.ok(!(await verifyPassword('differentpassword', phc)));
});

test('what is no argon2id hash, or asks for too much, verifies nothing', async () => {
  const tail = '$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
  const bad = [
    '',
    'plain',
    '$2b$10$abc',
    `$argon2i$v=19$m=256,t=2,p=1${tail}`,
    `$argon2id$v=19$m=9999999,t=2,p=1${tail}`,
  ];
  bad.push(
    `$argon2id$v=19$m=256,t=0,p=1${tail}`,
    `$argon2id$v=19$m=256,t=99,p=1${tail}`,
    `$argon2id$v=19$m=8,t=2,p=8${tail}`,
  );
  for (const phc of bad) assert.equal(await verifyPassword('password', phc), false, phc);
});
