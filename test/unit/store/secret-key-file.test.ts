import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { makeSecretKey, SecretKeys } from '../../../src/base/secret-keys.ts';
import { findSecretKeys, openSecretKeys } from '../../../src/store/secret-key-file.ts';

const DATABASE_URL = 'postgres://db.example/feige';

let dataDir = '';

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'feige-keys-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

test('the embedded database gets a key of its own once, which only its owner can read', async () => {
  const source = { secretKeys: [], databaseUrl: undefined, dataDir };
  assert.equal((await findSecretKeys(source)).currentId, undefined, 'looking makes none');
  const made = await openSecretKeys(source);
  assert.match(made.currentId ?? '', /^[0-9a-f]{8}$/);
  assert.deepEqual(await readdir(dataDir), ['secret.key']);
  assert.equal((await stat(join(dataDir, 'secret.key'))).mode & 0o777, 0o600);
  assert.equal((await openSecretKeys(source)).currentId, made.currentId);
  assert.equal((await findSecretKeys(source)).currentId, made.currentId);
});

test('a key of the environment seals, and that of the directory goes on opening', async () => {
  const made = await openSecretKeys({ secretKeys: [], databaseUrl: undefined, dataDir });
  const key = makeSecretKey();
  const both = await openSecretKeys({ secretKeys: [key], databaseUrl: undefined, dataDir });
  assert.deepEqual(both.ids, [new SecretKeys([key]).currentId, made.currentId]);
});

test('beside a database on a server no key is made, and none of the directory is used', async () => {
  await openSecretKeys({ secretKeys: [], databaseUrl: undefined, dataDir });
  assert.deepEqual((await openSecretKeys({ secretKeys: [], databaseUrl: DATABASE_URL, dataDir })).ids, []);
});

test('with a key of the environment none is made', async () => {
  await openSecretKeys({ secretKeys: [makeSecretKey()], databaseUrl: undefined, dataDir });
  assert.deepEqual(await readdir(dataDir), []);
});

test('a damaged key file is not overwritten, and is not repeated', async () => {
  await writeFile(join(dataDir, 'secret.key'), 'half of a ke');
  await assert.rejects(openSecretKeys({ secretKeys: [], databaseUrl: undefined, dataDir }), (error: Error) => {
    assert.match(error.message, /secret\.key does not hold a key any more/);
    assert.doesNotMatch(error.message, /half of/);
    return true;
  });
  assert.equal(await readFile(join(dataDir, 'secret.key'), 'utf8'), 'half of a ke');
});
