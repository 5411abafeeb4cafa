/**
 * A certificate for trying things out, valid for localhost and for api.twsms.com, which clients hard-code. It is kept
 * in the data directory, readable by its owner only and with its private key sealed, so that clients still trust it
 * after a restart. It is replaced when it is about to expire. Without a key to seal with, it lasts only as long as the
 * process.
 */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generate } from 'selfsigned';
import type { Logger } from '../base/log.ts';
import type { SecretKeys } from '../base/secret-keys.ts';

const DAY_MS = 86_400_000;
/** The longest that current clients accept. */
const VALID_DAYS = 825;
const RENEW_BEFORE_DAYS = 30;
const FILE_NAME = 'self-signed.pem';
/** Where alone the sealed private key opens. */
const PLACE = FILE_NAME;
const OWNER_ONLY_FILE = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;

export interface Certificate {
  /** PEM. */
  key: string;
  /** PEM. */
  cert: string;
}

export interface CertificateOptions {
  directory: string;
  nowMs: number;
  keys: SecretKeys | undefined;
  log: Logger;
}

/** Reads the certificate from `directory` or makes it there; throws when the directory cannot be written. */
export async function selfSignedCertificate(options: CertificateOptions): Promise<Certificate> {
  const path = join(options.directory, FILE_NAME);
  const kept = readKept(path, options);
  const { key, cert } = kept ?? (await make(options.nowMs));
  if (kept?.isSealed === true) return { key, cert };
  if (options.keys?.currentId !== undefined) keep(path, { key, cert }, options.keys);
  else if (kept) options.log.warn({ path }, 'the key of the self-signed certificate lies in the clear: set SECRET_KEY');
  else options.log.warn('the self-signed certificate is not kept: set SECRET_KEY to seal it with, or TLS_CERT');
  return { key, cert };
}

function keep(path: string, { key, cert }: Certificate, keys: SecretKeys): void {
  mkdirSync(dirname(path), { recursive: true, mode: OWNER_ONLY_DIRECTORY });
  const unfinished = `${path}.new`;
  rmSync(unfinished, { force: true });
  // Text before the first PEM block is a comment to whoever reads the certificate.
  const sealed = `private key, sealed: ${keys.seal(key, PLACE)}\n`;
  writeFileSync(unfinished, sealed + cert, { mode: OWNER_ONLY_FILE, flag: 'wx' });
  renameSync(unfinished, path);
}

/** Undefined when there is none, it is about to expire, or its key can't be opened: then it is made anew. */
function readKept(path: string, options: CertificateOptions): (Certificate & { isSealed: boolean }) | undefined {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const sealed = /^private key, sealed: (\S+)$/m.exec(pem)?.[1];
  const opened = sealed === undefined ? undefined : options.keys?.open(sealed, PLACE);
  if (sealed !== undefined && opened?.kind !== 'opened') {
    options.log.warn(
      { path },
      'the self-signed certificate is made anew: SECRET_KEY does not open the key of the old one',
    );
  }
  const plain = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\r?\n/.exec(pem)?.[0];
  const key = opened?.kind === 'opened' ? opened.text : plain;
  const cert = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\r?\n/.exec(pem)?.[0];
  if (key === undefined || cert === undefined) return undefined;
  try {
    const validUntilMs = new X509Certificate(cert).validToDate.getTime();
    if (validUntilMs - options.nowMs <= RENEW_BEFORE_DAYS * DAY_MS) return undefined;
    return { key, cert, isSealed: opened?.kind === 'opened' && opened.isCurrent };
  } catch {
    return undefined;
  }
}

async function make(nowMs: number): Promise<Certificate> {
  const pems = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(nowMs - DAY_MS),
    notAfterDate: new Date(nowMs + VALID_DAYS * DAY_MS),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 2, value: 'api.twsms.com' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  });
  const terminated = (pem: string): string => `${pem.trim()}\n`;
  return { key: terminated(pems.private), cert: terminated(pems.cert) };
}
