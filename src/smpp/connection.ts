/**
 * What both roles of SMPP 3.4 share over one socket: frames in, requests out under a window, time-outs by one coarse
 * timer, enquire_link, unbind, back-pressure. A faulty PDU is answered with an error; only broken framing or a dead
 * link ends the session.
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { socketFault } from '../base/tls-client.ts';
import { type BindPdu, isBindId } from './bind.ts';
import { FrameReader } from './framing.ts';
import { LinkWatch } from './link-watch.ts';
import { Output } from './output.ts';
import { COMMAND, decodePdu, encodeRefusal, isRequest, type Pdu, STATUS } from './pdu.ts';
import { type Outcome, PendingRequests } from './pending-requests.ts';

export interface SessionOptions {
  /** Requests that may be unanswered at once. */
  window: number;
  responseTimeoutMs: number;
  /** Silence after which the peer is asked for a sign of life; 0: never. */
  enquireLinkMs: number;
  /** For connecting and binding together; `DEFAULT_BIND_TIMEOUT_MS` unless given. */
  bindTimeoutMs?: number;
  /** How many enquire_link without an answer in a row close the session, 2 unless given. */
  maxMissedEnquireLinks?: number;
  /** Asked right before bytes go to the socket; once it says no, none are sent, and the session is cut. */
  mayWrite?: () => boolean;
}

export const DEFAULT_BIND_TIMEOUT_MS = 10_000;

export type SessionState = 'connecting' | 'open' | 'bound' | 'closing' | 'closed';

export interface ConnectionHandlers {
  /** Every request but, once bound, enquire_link and unbind; none while closing. */
  onRequest(pdu: Pdu): void;
  /** Once, after every pending request was settled. */
  onClose(reason: string): void;
  onLateResponse?: ((sequence: number, status: number, messageId: string) => void) | undefined;
  /** An exception thrown by a handler. Without this one it is thrown again, outside of the session. */
  onFault?: ((error: unknown) => void) | undefined;
}

/** Requests of the peer that may wait for the handler's answer before the socket is no longer read. */
const MAX_UNANSWERED = 1000;
const RESUME_UNANSWERED = MAX_UNANSWERED / 2;
/** How long the handler may leave the peer unread before the session is given up. */
const MAX_STALL_MS = 120_000;
/** Bytes waiting for a peer that does not drain: from here on nothing is read from it or accepted for it. */
const MAX_UNSENT_BYTES = 1_048_576;
const MAX_CLOSE_WAIT_MS = 5000;
const UNBIND_WAIT_MS = 1000;
/** How long the peer has to take the last bytes before the socket is destroyed. */
const LINGER_MS = 1000;
const MAX_SEQUENCE = 0x7fffffff;
const DEFAULT_MAX_MISSED = 2;
const MIN_TICK_MS = 10;
const MAX_TICK_MS = 1000;
const TICKS_PER_TIMEOUT = 10;

export class Connection {
  readonly #socket: Socket;
  readonly #options: SessionOptions;
  readonly #handlers: ConnectionHandlers;
  readonly #output: Output;
  readonly #framing = new FrameReader();
  readonly #pending = new PendingRequests();
  readonly #watch: LinkWatch;
  readonly #ticker: NodeJS.Timeout;
  readonly #closed = Promise.withResolvers<void>();
  #state: 'open' | 'bound' | 'closing' | 'closed' = 'open';
  #closeReason = '';
  #closeTimer: NodeJS.Timeout | undefined;
  #unbindSequence = 0;
  #sequence = 0;
  #unanswered = 0;
  /** No PDU is taken any more: the peer said goodbye or can't be understood. */
  #deaf = false;
  #paused = false;
  /** Since when the handler holds up reading; the session's clock stands still meanwhile, as responses lie unread. */
  #stalledSinceMs: number | undefined;
  #stalledMs = 0;

  constructor(dependencies: { socket: Socket; options: SessionOptions; handlers: ConnectionHandlers }) {
    const { socket, options, handlers } = dependencies;
    this.#socket = socket;
    this.#options = options;
    this.#handlers = handlers;
    socket.setNoDelay(true);
    this.#output = new Output(socket, {
      mayWrite: options.mayWrite ?? (() => true),
      onBarred: () => this.destroy('nothing may be sent any more'),
    });
    this.#watch = new LinkWatch({
      quietMs: options.enquireLinkMs,
      answerMs: options.responseTimeoutMs,
      maxMissed: options.maxMissedEnquireLinks ?? DEFAULT_MAX_MISSED,
      nowMs: this.#now(),
    });
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#updateReading());
    socket.on('end', () => this.destroy(this.#closeReason || 'closed by peer'));
    socket.on('error', (error) => this.destroy(socketFault(error)));
    socket.on('close', () => this.destroy(this.#closeReason || 'closed by peer'));
    this.#ticker = setInterval(() => this.#tick(), tickMs(options)).unref();
  }

  get state(): SessionState {
    return this.#state;
  }

  markBound(): void {
    if (this.#state === 'open') this.#state = 'bound';
  }

  /** 0 while the peer does not drain or the session is not bound. */
  freeWindow(): number {
    if (this.#state !== 'bound' || this.#congested()) return 0;
    return Math.max(0, this.#options.window - this.#pending.size);
  }

  /** Why a request would not be sent just now, or undefined. */
  obstacle(): { kind: 'not-sent'; reason: 'closed' | 'window-full' } | undefined {
    if (this.#state !== 'bound') return { kind: 'not-sent', reason: 'closed' };
    return this.freeWindow() > 0 ? undefined : { kind: 'not-sent', reason: 'window-full' };
  }

  nextSequence(): number {
    this.#sequence = this.#sequence === MAX_SEQUENCE ? 1 : this.#sequence + 1;
    return this.#sequence;
  }

  /** Sends a request whose `obstacle` the caller has asked about; `settle` is called exactly once, later. */
  request(pdu: Pdu, expects: Pdu['command'], settle: (outcome: Outcome) => void): void {
    this.#output.pdu(pdu);
    this.#pending.add(pdu.sequence, { expects, settle, sentAtMs: this.#now(), batch: this.#output.batch });
  }

  /** The first request of a client; the caller bounds its time. */
  bind(pdu: BindPdu, settle: (outcome: Outcome) => void): void {
    this.#output.pdu(pdu);
    this.#pending.add(pdu.sequence, {
      expects: `${pdu.command}_resp`,
      settle,
      sentAtMs: Number.POSITIVE_INFINITY,
      batch: this.#output.batch,
    });
  }

  /** Counts a request of the peer that `answer` or `refuse` will answer later. */
  takeRequest(): void {
    this.#unanswered += 1;
  }

  /** Answers a request that `takeRequest` counted. */
  answer(pdu: Pdu): void {
    if (this.#state === 'closed') return;
    this.#unanswered -= 1;
    this.#output.pdu(pdu);
    if (this.#paused) this.#updateReading();
    if (this.#state === 'closing') this.#unbindWhenIdle();
  }

  /** Sends what needs no window and no response. */
  send(pdu: Pdu): void {
    if (this.#state !== 'closed') this.#output.pdu(pdu);
  }

  sendRaw(bytes: Uint8Array): void {
    if (this.#state !== 'closed') this.#output.raw(bytes);
  }

  /** Answers with the command's own response, or generic_nack where it has none, and this status. */
  refuse(commandId: number, sequence: number, status: number): void {
    this.sendRaw(encodeRefusal(commandId, sequence, status));
  }

  /** Waits (bounded) for what is in flight in both directions, unbinds, ends. Resolves when the socket is gone. */
  close(reason: string): Promise<void> {
    if (this.#state === 'open') this.destroy(reason);
    if (this.#state === 'bound') {
      this.#state = 'closing';
      this.#closeReason = reason;
      const waitMs = Math.min(MAX_CLOSE_WAIT_MS, this.#options.responseTimeoutMs);
      this.#closeTimer = setTimeout(() => this.#unbind(), waitMs).unref();
      this.#unbindWhenIdle();
    }
    return this.#closed.promise;
  }

  /** Sends what is waiting, half-closes, and takes nothing more from the peer. */
  end(reason: string): void {
    if (this.#state === 'closed') return;
    this.#deaf = true;
    this.#state = 'closing';
    this.#linger(reason);
    this.#output.end();
  }

  /** At once. Pending requests become unknown, or not-sent where no byte had been handed to the socket. */
  destroy(reason: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearInterval(this.#ticker);
    clearTimeout(this.#closeTimer);
    const openBatch = this.#output.batch;
    this.#output.stop();
    this.#socket.destroy();
    for (const [sequence, request] of this.#pending.takeAll()) {
      this.#guard(() =>
        request.settle(
          request.batch === openBatch
            ? { kind: 'not-sent', reason: 'closed' }
            : { kind: 'unknown', sequence, reason: 'closed' },
        ),
      );
    }
    this.#guard(() => this.#handlers.onClose(reason));
    this.#closed.resolve();
  }

  /** Milliseconds of the session's own life, without the time in which our handlers held up reading. */
  #now(): number {
    return (this.#stalledSinceMs ?? performance.now()) - this.#stalledMs;
  }

  #onData(chunk: Buffer): void {
    if (this.#deaf || this.#state === 'closed') return;
    const { frames, broken } = this.#framing.feed(chunk);
    if (frames.length > 0) this.#watch.heard(this.#now());
    for (const frame of frames) {
      this.#onFrame(frame);
      if (this.#deaf) return;
    }
    if (broken !== undefined) {
      this.refuse(0, 0, STATUS.ESME_RINVCMDLEN);
      this.end(`broken framing: ${broken}`);
      return;
    }
    this.#updateReading();
  }

  #onFrame(frame: Buffer): void {
    if (this.#isClosed()) return;
    const decoded = decodePdu(frame);
    if (!decoded.ok) {
      const { commandId, sequence, status } = decoded;
      // A response is never answered, and alert_notification (§4.12.1) has no response.
      if (commandId >= COMMAND.generic_nack || commandId === COMMAND.alert_notification) return;
      const unbound = this.#state === 'open' && !isBindId(commandId);
      this.refuse(commandId, sequence, unbound ? STATUS.ESME_RINVBNDSTS : status);
      return;
    }
    const { pdu } = decoded;
    if (isRequest(pdu)) this.#onRequest(pdu);
    else this.#onResponse(pdu);
  }

  #onRequest(pdu: Pdu): void {
    if (this.#state === 'open') {
      this.#guard(() => this.#handlers.onRequest(pdu));
    } else if (pdu.command === 'enquire_link') {
      this.send({ command: 'enquire_link_resp', sequence: pdu.sequence, status: STATUS.ESME_ROK });
    } else if (pdu.command === 'unbind') {
      this.send({ command: 'unbind_resp', sequence: pdu.sequence, status: STATUS.ESME_ROK });
      this.end('unbound by peer');
    } else if (this.#state === 'closing') {
      // A temporary error: the peer keeps the message for the next session.
      this.refuse(COMMAND[pdu.command], pdu.sequence, STATUS.ESME_RX_T_APPN);
    } else {
      this.#guard(() => this.#handlers.onRequest(pdu));
    }
  }

  #onResponse(pdu: Pdu): void {
    const request = this.#pending.take(pdu);
    if (request !== undefined) {
      this.#guard(() => request.settle({ kind: 'response', pdu }));
      if (this.#state === 'closing') this.#unbindWhenIdle();
    } else if (this.#unbindSequence !== 0 && pdu.sequence === this.#unbindSequence) {
      this.end(this.#closeReason);
    } else if (this.#watch.answered(pdu.sequence)) {
      return;
    } else if (this.#pending.takeTimedOut(pdu.sequence)) {
      const messageId = 'messageId' in pdu ? pdu.messageId : '';
      this.#guard(() => this.#handlers.onLateResponse?.(pdu.sequence, pdu.status, messageId));
    }
  }

  #tick(): void {
    const nowMs = this.#now();
    if (this.#stalledSinceMs !== undefined && performance.now() - this.#stalledSinceMs > MAX_STALL_MS) {
      this.destroy('requests of the peer stay unanswered');
      return;
    }
    const overdue = this.#pending.takeOverdue(nowMs - this.#options.responseTimeoutMs);
    for (const [sequence, request] of overdue) {
      this.#guard(() => request.settle({ kind: 'unknown', sequence, reason: 'timeout' }));
    }
    if (this.#state === 'closing') this.#unbindWhenIdle();
    if (this.#state !== 'bound' || this.#stalledSinceMs !== undefined) return;
    const verdict = this.#watch.check(nowMs, overdue.length > 0);
    if (verdict === 'dead') {
      this.destroy('enquire_link unanswered');
    } else if (verdict === 'ask') {
      const sequence = this.nextSequence();
      this.#watch.asked(sequence, nowMs);
      this.#output.pdu({ command: 'enquire_link', sequence, status: STATUS.ESME_ROK });
    }
  }

  #updateReading(): void {
    if (this.#isClosed()) return;
    const limit = this.#stalledSinceMs === undefined ? MAX_UNANSWERED : RESUME_UNANSWERED;
    const stalled = this.#unanswered > limit;
    if (stalled && this.#stalledSinceMs === undefined) {
      this.#stalledSinceMs = performance.now();
    } else if (!stalled && this.#stalledSinceMs !== undefined) {
      this.#stalledMs += performance.now() - this.#stalledSinceMs;
      this.#stalledSinceMs = undefined;
    }
    const pause = stalled || this.#congested();
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#socket.pause();
    else this.#socket.resume();
  }

  #congested(): boolean {
    return this.#output.blocked && this.#output.unsentBytes() > MAX_UNSENT_BYTES;
  }

  #unbindWhenIdle(): void {
    if (!this.#deaf && this.#pending.size === 0 && this.#unanswered === 0) this.#unbind();
  }

  #unbind(): void {
    if (this.#unbindSequence !== 0 || this.#isClosed()) return;
    this.#unbindSequence = this.nextSequence();
    this.#output.pdu({ command: 'unbind', sequence: this.#unbindSequence, status: STATUS.ESME_ROK });
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => this.destroy(this.#closeReason), UNBIND_WAIT_MS).unref();
  }

  /** The socket may flush and close by itself for a while; then it is destroyed. */
  #linger(reason: string): void {
    if (this.#isClosed()) return;
    this.#closeReason ||= reason;
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => this.destroy(this.#closeReason), LINGER_MS).unref();
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      const { onFault } = this.#handlers;
      if (onFault !== undefined) onFault(error);
      else
        queueMicrotask(() => {
          throw error;
        });
    }
  }
}

/** A tenth of the shorter of the two periods: a time-out comes at most that much late. */
function tickMs(options: SessionOptions): number {
  const shortestMs = Math.min(options.responseTimeoutMs, options.enquireLinkMs || options.responseTimeoutMs);
  return Math.min(MAX_TICK_MS, Math.max(MIN_TICK_MS, Math.round(shortestMs / TICKS_PER_TIMEOUT)));
}
