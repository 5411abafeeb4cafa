/**
 * Structured logs, one JSON object a line. Passwords, message texts and phone numbers never reach a line:
 * fields of these names are replaced, and `maskMsisdn` shortens a number that has to be recognisable.
 */
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';

export type Logger = PinoLogger;

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Field names whose values are replaced, at the top of a line and one level below. */
const SECRET_FIELDS = [
  'password',
  'passwordHash',
  'authorization',
  'message',
  'text',
  'shortMessage',
  'mobile',
  'msisdn',
  'phone',
  'recipient',
  'destination',
  'sender',
  'url',
  'query',
  'databaseUrl',
];

/**
 * @param options.level least severe level that is written
 * @param options.destination where lines go; standard output when absent
 */
export function createLogger(options: { level: LogLevel; destination?: DestinationStream }): Logger {
  const settings = {
    level: options.level,
    base: { pid: process.pid },
    redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[masked]' },
    serializers: { err: describeError },
  };
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination);
}

/** What a line says about an error. PostgreSQL's errors also carry the row that failed, which is left out. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  return {
    type: error.name,
    code: 'code' in error ? error.code : undefined,
    reason: error.message,
    stack: error.stack,
    cause: error.cause === undefined ? undefined : describeError(error.cause),
  };
}

const MASK_HEAD_DIGITS = 4;
const MASK_TAIL_DIGITS = 2;

/** `886911222333` → `8869***33`; numbers too short to keep a secret are hidden whole. */
export function maskMsisdn(e164: string): string {
  if (e164.length <= MASK_HEAD_DIGITS + MASK_TAIL_DIGITS) return '***';
  return `${e164.slice(0, MASK_HEAD_DIGITS)}***${e164.slice(-MASK_TAIL_DIGITS)}`;
}
