/**
 * One link to an operator: holds a slot of it in the database, binds, stays bound, binds again after a fall with
 * growing pauses. A link is a transceiver, or a transmitter and a receiver that stand and fall together.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { backoffMs } from '../base/backoff.ts';
import type { Logger } from '../base/log.ts';
import type { OperatorSettings } from '../domain/operator-settings.ts';
import type { MessagePdu, ShortMessageFields } from '../smpp/pdu.ts';
import { type BindMode, connectSession, type QueryResult, type Session, type SubmitResult } from '../smpp/session.ts';

/** Kannel's pause is 10 s, always: an operator that is back is not left waiting for longer. */
const RECONNECT = { baseMs: 500, maxMs: 10_000, jitter: 0.5 };
/** Whoever refuses a bind is asked less often. */
const AFTER_REFUSAL = { ...RECONNECT, maxMs: 30_000 };
/** A bound link that falls before counts like one that could not be bound, until one holds this long. */
const STEADY_AFTER_MS = 10_000;

/** Why a link is not bound, or no longer. */
type Fall =
  | { readonly kind: 'failed' | 'refused'; readonly reason: string }
  | { readonly kind: 'fell'; readonly reason: string; readonly heldMs: number };

export interface OperatorLinkOptions {
  /** How the link is named in logs and in a message's life: `operator/slot`. */
  readonly name: string;
  readonly settings: OperatorSettings;
  readonly log: Logger;
  /** Whether this node may still speak for the platform; asked right before each write. */
  readonly mayWrite: () => boolean;
  readonly onDeliver: (pdu: MessagePdu, respond: (status: number) => void) => void;
  readonly onLateResponse: (link: string, sequence: number, status: number, messageId: string) => void;
  /** Bound, or no longer, with the reason. */
  readonly onChange: (bound: boolean, detail: string | undefined) => void;
}

export class OperatorLink {
  readonly name: string;
  readonly #options: OperatorLinkOptions;
  #sessions: Session[] = [];
  #transmitter: Session | undefined;
  #loop: Promise<void> | undefined;
  readonly #stopping = new AbortController();
  #pausedUntilMs = 0;

  constructor(options: OperatorLinkOptions) {
    this.name = options.name;
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Unbinds after what is in flight was answered (bounded by the session). */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#sessions.map((session) => session.close('the node stops')));
    await this.#loop;
  }

  /** Cuts the link at once: this node lost its lease, or the slot. */
  async cut(reason: string): Promise<void> {
    this.#stopping.abort();
    for (const session of this.#sessions) session.destroy(reason);
    await this.#loop;
  }

  get bound(): boolean {
    return this.#transmitter !== undefined;
  }

  /** Segments that can be submitted now; 0 while unbound or paused. */
  freeWindow(): number {
    if (!this.#transmitter || performance.now() < this.#pausedUntilMs) return 0;
    return this.#transmitter.freeWindow();
  }

  /** Nothing that was submitted waits for its response. */
  get idle(): boolean {
    return !this.#transmitter || this.#transmitter.freeWindow() === this.#options.settings.window;
  }

  /** Pauses the link because the operator is throttling. */
  pause(durationMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, performance.now() + durationMs);
  }

  submit(message: ShortMessageFields, onResult: (result: SubmitResult) => void): void {
    if (this.#transmitter) this.#transmitter.submit(message, onResult);
    else onResult({ kind: 'not-sent', reason: 'closed' });
  }

  query(messageId: string, source: ShortMessageFields['source'], onResult: (result: QueryResult) => void): boolean {
    if (!this.#transmitter) return false;
    this.#transmitter.query(messageId, source, onResult);
    return true;
  }

  async #run(): Promise<void> {
    // In a row: binds that failed, and bound links that did not hold.
    let failures = 0;
    let falls = 0;
    while (!this.#stopping.signal.aborted) {
      const fall = await this.#bindAndHold();
      if (this.#stopping.signal.aborted) break;
      if (fall.kind !== 'fell') failures += 1;
      else {
        // It could be bound: how long that took says nothing about the next time.
        failures = 0;
        falls = fall.heldMs >= STEADY_AFTER_MS ? 0 : falls + 1;
      }
      const { reason } = fall;
      this.#options.onChange(false, reason);
      this.#options.log.warn({ link: this.name, reason, failures, falls }, 'a link to an operator is down');
      await this.#pause(backoffMs(failures + falls, fall.kind === 'refused' ? AFTER_REFUSAL : RECONNECT));
    }
    this.#options.onChange(false, 'stopped');
  }

  /** Binds every session of the link and resolves when one of them falls. */
  async #bindAndHold(): Promise<Fall> {
    const modes: readonly BindMode[] =
      this.#options.settings.bindMode === 'transceiver' ? ['transceiver'] : ['receiver', 'transmitter'];
    const closed = Promise.withResolvers<string>();
    for (const mode of modes) {
      const result = await this.#connect(mode, closed);
      if (result.kind === 'bound') {
        this.#sessions.push(result.session);
        continue;
      }
      this.#drop('the other session of the link could not bind');
      if (result.kind === 'failed') return result;
      return { kind: 'refused', reason: `bind refused with 0x${result.status.toString(16)}` };
    }
    if (this.#stopping.signal.aborted) {
      this.#drop('stopped');
      return { kind: 'failed', reason: 'stopped' };
    }
    const boundAtMs = performance.now();
    this.#transmitter = this.#sessions.at(-1);
    this.#options.onChange(true, undefined);
    this.#options.log.info({ link: this.name }, 'a link to an operator is bound');
    const reason = await closed.promise;
    this.#drop(reason);
    return { kind: 'fell', reason, heldMs: performance.now() - boundAtMs };
  }

  #connect(mode: BindMode, closed: PromiseWithResolvers<string>): ReturnType<typeof connectSession> {
    const { settings } = this.#options;
    return connectSession({
      host: settings.host,
      port: settings.port,
      ...(settings.tls
        ? {
            tls: {
              ...(settings.tlsCa === undefined ? {} : { ca: settings.tlsCa }),
              ...(settings.tlsServername === undefined ? {} : { servername: settings.tlsServername }),
            },
          }
        : {}),
      bind: { mode, systemId: settings.systemId, password: settings.password, systemType: settings.systemType },
      options: {
        window: settings.window,
        responseTimeoutMs: settings.responseTimeoutMs,
        enquireLinkMs: settings.enquireLinkMs,
        mayWrite: this.#options.mayWrite,
      },
      handlers: {
        onDeliver: this.#options.onDeliver,
        onClose: (reason) => closed.resolve(reason),
        onLateResponse: (sequence, status, messageId) =>
          this.#options.onLateResponse(this.name, sequence, status, messageId),
        onFault: (error) => this.#options.log.error({ err: error, link: this.name }, 'a fault in a link handler'),
      },
      signal: this.#stopping.signal,
    });
  }

  #drop(reason: string): void {
    this.#transmitter = undefined;
    for (const session of this.#sessions.splice(0)) session.destroy(reason);
  }

  async #pause(durationMs: number): Promise<void> {
    await pause(durationMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }
}
