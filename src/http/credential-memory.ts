/**
 * Credentials whose hash was computed already, so that it is paid once. They are kept as HMAC-SHA256 under a key that
 * lives and dies with the process, and count only as long as the account's stored hash is the one they were compared
 * with: a change of password forgets them.
 */
import { hash, randomBytes } from 'node:crypto';
import { RecentMap } from './recent-map.ts';

const MAX_RIGHT = 20_000;
const MAX_WRONG = 20_000;
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
/** Username, separator and password at their longest (point 18). */
const MAX_CREDENTIAL_BYTES = 32 + 1 + 64;

export class CredentialMemory {
  readonly #right = new RecentMap<string>(MAX_RIGHT);
  readonly #wrong = new RecentMap<string>(MAX_WRONG);
  readonly #inner = Buffer.alloc(BLOCK_BYTES + MAX_CREDENTIAL_BYTES, INNER_PAD);
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES, OUTER_PAD);

  constructor(key: Buffer = randomBytes(BLOCK_BYTES)) {
    for (let at = 0; at < BLOCK_BYTES; at++) {
      const byte = key[at] ?? 0;
      this.#inner[at] = byte ^ INNER_PAD;
      this.#outer[at] = byte ^ OUTER_PAD;
    }
  }

  /** RFC 2104 by two one-shot hashes: 1.3 µs, where createHmac takes 3.3. Both parts are ASCII (point 18). */
  keyOf(username: string, password: string): string {
    const length = this.#inner.write(`${username}\0${password}`, BLOCK_BYTES, 'latin1');
    const digest = hash('sha256', this.#inner.subarray(0, BLOCK_BYTES + length), 'buffer');
    digest.copy(this.#outer, BLOCK_BYTES);
    return hash('sha256', this.#outer, 'base64');
  }

  isRight(key: string, passwordHash: string): boolean {
    return this.#right.get(key) === passwordHash;
  }

  isWrong(key: string, passwordHash: string): boolean {
    return this.#wrong.get(key) === passwordHash;
  }

  remember(key: string, passwordHash: string, isRight: boolean): void {
    (isRight ? this.#right : this.#wrong).set(key, passwordHash);
  }
}
