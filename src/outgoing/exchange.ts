/**
 * One GET on its way: takes undici's events for it, drains the body up to a bound, and reports once how it
 * ended. The status decides: what becomes of the body after it does not change the outcome.
 */
import type { Dispatcher } from 'undici';
import { ForbiddenAddressError } from './checked-connect.ts';

export type Outcome =
  | { readonly kind: 'answered'; readonly status: number }
  | { readonly kind: 'refused-address'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** Nobody reads the body; beyond this the connection is cheaper to drop than to drain. */
const MAX_BODY_BYTES = 64 * 1024;
/** Of one answer, as 100 and 103 are: each costs 4 µs, and a server may send them without end. */
export const MAX_INFORMATIONAL = 16;
const MAX_REASON_CHARACTERS = 200;
/** What a kept-alive connection ends with when the peer closed it just as the request went out. */
const STALE_CODES = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

export function outcomeOfError(error: unknown): Outcome {
  if (error instanceof ForbiddenAddressError) return { kind: 'refused-address', reason: error.message };
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  const reason = code === '' || message.includes(code) ? message : `${code} ${message}`;
  return { kind: 'failed', reason: (reason === '' ? 'unknown error' : reason).slice(0, MAX_REASON_CHARACTERS) };
}

export class Exchange implements Dispatcher.DispatchHandler {
  readonly path: string;
  /** On the monotonic clock. */
  readonly deadlineMs: number;
  readonly settled: (outcome: Outcome) => void;
  /** Told when this exchange no longer needs its connection; `reusable` when another may use it. */
  released: (reusable: boolean, error: Error | undefined) => void = () => {};
  retried = false;
  status = 0;
  #bodyBytes = 0;
  #informational = 0;
  #released = false;

  constructor(path: string, deadlineMs: number, settled: (outcome: Outcome) => void) {
    this.path = path;
    this.deadlineMs = deadlineMs;
    this.settled = settled;
  }

  /** Whether sending it again on a fresh connection is due: nothing came back on one that had served before. */
  isStale(error: Error): boolean {
    return this.status === 0 && !this.retried && 'code' in error && STALE_CODES.has(String(error.code));
  }

  /** Makes it ready for another connection. */
  retry(): void {
    this.retried = true;
    this.#released = false;
  }

  /** undici asks for it; nothing starts here. */
  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    // RFC 9110 §15.2: informational answers come before the real one.
    if (status >= 200) this.status = status;
    else if (++this.#informational > MAX_INFORMATIONAL)
      this.#release(false, new Error('informational answers without end'));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > MAX_BODY_BYTES) this.#release(false, undefined);
  }

  onResponseEnd(): void {
    this.#release(true, undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#release(false, error);
  }

  #release(reusable: boolean, error: Error | undefined): void {
    if (this.#released) return;
    this.#released = true;
    this.released(reusable, error);
  }
}
