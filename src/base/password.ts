/**
 * Passwords as argon2id hashes in the PHC string format, made by Node's own argon2. Knows no accounts and sets no
 * limit on how many run at once: whoever hashes for strangers bounds that (http/authenticate.ts).
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

// OWASP's second choice of parameters: 19 MiB, 2 passes, about 50 ms a hash on one core of 2026.
const MEMORY_KIB = 19_456;
const PASSES = 2;
const PARALLELISM = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** What a stored hash may ask of us at the most, so that a row of the database cannot take the machine down. */
const MAX_MEMORY_KIB = 262_144;
const MAX_PASSES = 16;
const MAX_PARALLELISM = 16;

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

const deriveKey = promisify(argon2);

/** `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, with a fresh salt each time. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(SALT_BYTES);
  const hash = await deriveKey('argon2id', {
    message: password,
    nonce,
    memory: MEMORY_KIB,
    passes: PASSES,
    parallelism: PARALLELISM,
    tagLength: HASH_BYTES,
  });
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${PARALLELISM}$${unpadded(nonce)}$${unpadded(hash)}`;
}

/** False too for a string that is no argon2id hash, or one that asks for more than the bounds above. */
export async function verifyPassword(password: string, phc: string): Promise<boolean> {
  const match = PHC.exec(phc);
  if (match === null) return false;
  const [memory, passes, parallelism] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (memory < 8 * parallelism || memory > MAX_MEMORY_KIB) return false;
  if (passes < 1 || passes > MAX_PASSES || parallelism < 1 || parallelism > MAX_PARALLELISM) return false;
  const nonce = Buffer.from(match[4] ?? '', 'base64');
  const expected = Buffer.from(match[5] ?? '', 'base64');
  const parameters = { message: password, nonce, memory, passes, parallelism, tagLength: expected.length };
  const actual = await deriveKey('argon2id', parameters);
  return timingSafeEqual(actual, expected);
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
