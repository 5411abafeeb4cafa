/**
 * The catalogue of faults that an operator of Feige can meet. Expected outcomes of a request are not here:
 * those are tagged unions beside the function that returns them.
 */
export const ERROR_MEANINGS = {
  CONFIG_INVALID: 'the environment does not form a configuration',
  DATABASE_UNREACHABLE: 'no server of DATABASE_URL answers and accepts writes',
  DATA_DIR_IN_USE: 'another Feige process works on this data directory',
  DATA_DIR_UNUSABLE: 'the data directory cannot be read or written, or holds something else',
  EMBEDDED_POSTGRES_FAILED: 'the embedded PostgreSQL could not be made, started or reached',
  SECRET_KEY_MISSING: 'a password is to be stored and there is no key to seal it with',
  STOPPED: 'the part that was asked has been stopped',
  MEDIA_UNAVAILABLE: 'no RTP port or stream is free, or the thread that sends RTP is down',
  MIGRATION_CHANGED: 'a migration that was applied has another content now',
  MIGRATION_UNKNOWN: 'the database was migrated by a newer version of Feige',
  MIGRATION_FAILED: 'a migration was refused by the database and rolled back',
} as const;

export type ErrorCode = keyof typeof ERROR_MEANINGS;

/** A fault with a code from the catalogue; `message` says what happened here, `cause` holds what was caught. */
export class FeigeError extends Error {
  override readonly name = 'FeigeError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
