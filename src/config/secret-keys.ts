/**
 * The keys of what is sealed in the database, from the environment or from a file that it names. Values are never
 * repeated.
 */
import { readFileSync } from 'node:fs';
import { parseSecretKey } from '../base/secret-keys.ts';
import type { VariableReader } from './variable-reader.ts';

type Reader = VariableReader<'SECRET_KEY' | 'SECRET_KEY_FILE'>;

/** More than one is for the time of a change; each is tried by its id, not by opening. */
const MAX_KEYS = 16;

/** In the order in which they stand there, as `SecretKeys` takes them. */
export function readSecretKeys(reader: Reader): string[] {
  if (reader.isSet('SECRET_KEY') && reader.isSet('SECRET_KEY_FILE')) {
    reader.refuseSilently('SECRET_KEY_FILE', 'and SECRET_KEY exclude each other');
  }
  if (reader.isSet('SECRET_KEY')) return readKeys(reader, 'SECRET_KEY', reader.text('SECRET_KEY'));
  if (!reader.isSet('SECRET_KEY_FILE')) return [];
  const path = reader.text('SECRET_KEY_FILE');
  try {
    return readKeys(reader, 'SECRET_KEY_FILE', readFileSync(path, 'utf8'));
  } catch {
    reader.refuse('SECRET_KEY_FILE', 'cannot be read');
    return [];
  }
}

function readKeys(reader: Reader, name: 'SECRET_KEY' | 'SECRET_KEY_FILE', text: string): string[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  const keys = words.map(parseSecretKey).filter((key) => key !== undefined);
  if (keys.length === words.length && keys.length > 0 && keys.length <= MAX_KEYS) return keys;
  reader.refuseSilently(
    name,
    `must hold 1 to ${MAX_KEYS} keys of 32 random bytes in base64 or hex; "feige secret key" makes one`,
  );
  return [];
}
