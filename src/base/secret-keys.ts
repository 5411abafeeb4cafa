/**
 * Encrypts texts that Feige must be able to read again, such as operators' passwords, with AES-256-GCM under keys that
 * are kept outside of the database. A sealed text names its key, so that keys can be changed, and opens only in the
 * place it was sealed for. Knows neither where keys come from nor where sealed texts are stored (docs/decisions/0004).
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_BYTES = 4;
const CIPHER = 'aes-256-gcm';
const VERSION = 'v1';
const SEALED = /^v1\.([0-9a-f]{8})\.([A-Za-z0-9_-]{38,})$/;

export type Opened =
  /** `isCurrent`: under the key that seals now. */
  | { kind: 'opened'; text: string; isCurrent: boolean }
  | { kind: 'no-key'; keyId: string }
  /** Changed, or sealed for another place. */
  | { kind: 'damaged' };

interface Key {
  readonly id: string;
  readonly bytes: Buffer;
}

/** A fresh key as it is written down: 32 random bytes in base64. */
export function makeSecretKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

/** 32 bytes as base64, base64url or hex, written back as base64; undefined for anything else. */
export function parseSecretKey(text: string): string | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex').toString('base64');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  return Buffer.from(text, 'base64url').toString('base64');
}

export class SecretKeys {
  /** By their ids; the first one seals. */
  readonly #keys: readonly Key[];

  /** @param keys as `parseSecretKey` gives them: the first one seals, all of them open; none at all opens nothing */
  constructor(keys: readonly string[]) {
    this.#keys = keys.map((key) => {
      const bytes = Buffer.from(key, 'base64');
      if (bytes.length !== KEY_BYTES) throw new RangeError('a key has 32 bytes');
      return { id: derive(bytes, 'key id', KEY_ID_BYTES).toString('hex'), bytes: derive(bytes, 'seal', KEY_BYTES) };
    });
  }

  /** The id of the key that seals, which reveals nothing of the key. Undefined: there is no key. */
  get currentId(): string | undefined {
    return this.#keys[0]?.id;
  }

  get ids(): readonly string[] {
    return this.#keys.map(({ id }) => id);
  }

  /** `v1.<key id>.<nonce, ciphertext and tag as base64url>`. @param place where alone it may be opened */
  seal(text: string, place: string): string {
    const [key] = this.#keys;
    if (key === undefined) throw new Error('there is no key to seal with');
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, key.bytes, nonce);
    cipher.setAAD(additionalData(key.id, place));
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${VERSION}.${key.id}.${sealed.toString('base64url')}`;
  }

  /** Never throws: what is wrong with a sealed text is an answer. */
  open(sealed: string, place: string): Opened {
    const [, keyId, body] = SEALED.exec(sealed) ?? [];
    if (keyId === undefined || body === undefined) return { kind: 'damaged' };
    const key = this.#keys.find(({ id }) => id === keyId);
    if (key === undefined) return { kind: 'no-key', keyId };
    const bytes = Buffer.from(body, 'base64url');
    const decipher = createDecipheriv(CIPHER, key.bytes, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(additionalData(keyId, place));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
      return { kind: 'opened', text, isCurrent: key === this.#keys[0] };
    } catch {
      return { kind: 'damaged' };
    }
  }
}

function derive(key: Buffer, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', `feige ${VERSION} ${purpose}`, bytes));
}

function additionalData(keyId: string, place: string): Buffer {
  return Buffer.from(`${VERSION}\0${keyId}\0${place}`, 'utf8');
}
