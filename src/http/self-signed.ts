/**
 * A certificate for trying things out: for localhost and for api.twsms.com, which clients hard-code. It is kept in
 * the data directory, readable by its owner only, so that clients can go on trusting it after a restart, and made
 * anew when it is about to expire.
 */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';

const DAY_MS = 86_400_000;
/** The longest that current clients accept. */
const VALID_DAYS = 825;
const RENEW_BEFORE_DAYS = 30;
const FILE_NAME = 'self-signed.pem';
const OWNER_ONLY_FILE = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;

export interface Certificate {
  /** PEM. */
  key: string;
  /** PEM. */
  cert: string;
}

/** Reads the certificate from `directory` or makes it there; throws when the directory cannot be written. */
export async function selfSignedCertificate(options: { directory: string; nowMs: number }): Promise<Certificate> {
  const path = join(options.directory, FILE_NAME);
  const kept = readKept(path, options.nowMs);
  if (kept !== undefined) return kept;
  const made = await make(options.nowMs);
  mkdirSync(options.directory, { recursive: true, mode: OWNER_ONLY_DIRECTORY });
  const unfinished = `${path}.new`;
  writeFileSync(unfinished, made.key + made.cert, { mode: OWNER_ONLY_FILE });
  renameSync(unfinished, path);
  return made;
}

function readKept(path: string, nowMs: number): Certificate | undefined {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\r?\n/.exec(pem)?.[0];
  const cert = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\r?\n/.exec(pem)?.[0];
  if (key === undefined || cert === undefined) return undefined;
  try {
    const validUntilMs = new X509Certificate(cert).validToDate.getTime();
    return validUntilMs - nowMs > RENEW_BEFORE_DAYS * DAY_MS ? { key, cert } : undefined;
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
