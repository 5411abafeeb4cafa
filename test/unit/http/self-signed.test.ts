import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { makeSecretKey, SecretKeys } from '../../../src/base/secret-keys.ts';
import { type Certificate, selfSignedCertificate } from '../../../src/http/self-signed.ts';

const NOW_MS = Date.UTC(2026, 10, 22);
const [KEY, OTHER_KEY] = [makeSecretKey(), makeSecretKey()];

let directory = '';
let said = '';
const path = (): string => join(directory, 'self-signed.pem');

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'feige-self-signed-'));
  said = '';
});
afterEach(() => rmSync(directory, { recursive: true }));

function certificate(...keys: string[]): Promise<Certificate> {
  const write = (line: string): void => {
    said += line;
  };
  const log = createLogger({ level: 'info', destination: { write } });
  return selfSignedCertificate({ directory, nowMs: NOW_MS, keys: new SecretKeys(keys), log });
}

/** The certificate may be read by anybody; nothing of the private key may, in whatever form. */
function assertSealed({ key, cert }: Certificate): void {
  const kept = readFileSync(path(), 'utf8');
  assert.ok(kept.includes(cert));
  assert.doesNotMatch(kept, /PRIVATE KEY/);
  const der = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  const bytes = readFileSync(path());
  for (const form of [key.split('\n')[1] ?? '', der.toString('hex'), der.toString('base64url')]) {
    assert.ok(form.length > 40 && !bytes.includes(form));
  }
  assert.match(kept, /^private key, sealed: v1\.[0-9a-f]{8}\.[\w-]+$/m);
  assert.equal(statSync(path()).mode & 0o777, 0o600);
  assert.ok(new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)));
}

test('the private key of the certificate is sealed on the disk, and opens with the key it was sealed with', async () => {
  const made = await certificate(KEY);
  assertSealed(made);
  assert.deepEqual(await certificate(KEY), made);
  assert.equal(said, '');
});

test('with a wrong key the certificate is made anew, which is said, and what lay there before is gone', async () => {
  const before = await certificate(KEY);
  const anew = await certificate(OTHER_KEY);
  assert.notEqual(anew.cert, before.cert);
  assertSealed(anew);
  assert.match(said, /made anew: SECRET_KEY does not open/);
  assert.deepEqual(readdirSync(directory), ['self-signed.pem']);
});

test('under a new key beside the old one the certificate stays and is sealed anew', async () => {
  const made = await certificate(KEY);
  assert.deepEqual(await certificate(OTHER_KEY, KEY), made);
  assert.deepEqual(await certificate(OTHER_KEY), made);
  assertSealed(made);
});

test('without a key nothing is written, and it is said what to do', async () => {
  await certificate();
  assert.deepEqual(readdirSync(directory), []);
  assert.match(said, /not kept: set SECRET_KEY/);
});

test('one that an earlier version kept in the clear is warned of without a key, and sealed with one', async () => {
  const { key, cert } = await certificate();
  writeFileSync(path(), key + cert);
  said = '';
  assert.deepEqual(await certificate(), { key, cert });
  assert.match(said, /lies in the clear: set SECRET_KEY/);
  assert.deepEqual(await certificate(KEY), { key, cert });
  assertSealed({ key, cert });
});

test('a sealed key that was changed on the disk is not used', async () => {
  const made = await certificate(KEY);
  const kept = readFileSync(path(), 'utf8');
  writeFileSync(
    path(),
    kept.replace(
      /(sealed: v1\.[0-9a-f]{8}\.)(.)/,
      (_, start: string, one: string) => start + (one === 'A' ? 'B' : 'A'),
    ),
  );
  assert.notDeepEqual(await certificate(KEY), made);
});
