/**
 * Client transactions (RFC 3261 §17.1, RFC 6026): a request goes out, repeated over UDP until answered, and its
 * responses come back without repetitions; or it fails once. They know messages and a flow, no dialog.
 */
import type { Flow } from './flow.ts';
import { headerLinesOf, headerOf, NO_BODY, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { Repeater, type SipTimers, transactionTimeoutMs } from './timers.ts';

export interface ClientHandlers {
  /** Every provisional response, then one final; of an INVITE every 2xx, repeated and forked ones included. */
  onResponse(response: SipResponse): void;
  /** Once, instead of a final response. */
  onFailure(failure: ClientFailure): void;
}

export type ClientFailure = { kind: 'timeout' } | { kind: 'transport'; reason: string };

export interface ClientDependencies {
  request: SipRequest;
  flow: Flow;
  timers: SipTimers;
  /** Timer B or F. */
  timeoutMs: number;
  /** Hands a message to the flow. */
  send(message: SipRequest, flow: Flow, failed: (reason: string) => void): void;
  handlers: ClientHandlers;
  /** The transaction is gone and matches nothing any more. */
  onTerminated(): void;
}

export interface ClientTransaction {
  readonly request: SipRequest;
  readonly flow: Flow;
  start(): void;
  receive(response: SipResponse): void;
  /** The flow broke. */
  fail(reason: string): void;
  /** Ends at once; no handler is called any more. */
  stop(): void;
}

/** §17.1.1.2: at least 32 s over UDP. */
function timerDMs(flow: Flow, timers: SipTimers): number {
  return flow.reliable ? 0 : transactionTimeoutMs(timers);
}

export class InviteClientTransaction implements ClientTransaction {
  readonly request: SipRequest;
  readonly flow: Flow;
  readonly #dependencies: ClientDependencies;
  readonly #repeater = new Repeater();
  #state: 'calling' | 'proceeding' | 'completed' | 'accepted' | 'terminated' = 'calling';
  /** B, then D or M. */
  #timer: NodeJS.Timeout | undefined;
  #ack: SipRequest | undefined;

  constructor(dependencies: ClientDependencies) {
    this.#dependencies = dependencies;
    this.request = dependencies.request;
    this.flow = dependencies.flow;
  }

  start(): void {
    const { timers, timeoutMs } = this.#dependencies;
    this.#timer = setTimeout(() => this.#end({ kind: 'timeout' }), timeoutMs);
    // Timer A doubles without a limit but B (§17.1.1.2).
    if (!this.flow.reliable)
      this.#repeater.start(timers.t1Ms, Number.POSITIVE_INFINITY, () => this.#send(this.request));
    this.#send(this.request);
  }

  receive(response: SipResponse): void {
    const waiting = this.#state === 'calling' || this.#state === 'proceeding';
    if (response.status < 200) {
      if (!waiting) return;
      this.#state = 'proceeding';
      this.#quiet();
      this.#dependencies.handlers.onResponse(response);
    } else if (response.status < 300) {
      if (waiting) {
        // RFC 6026 §7.2: stays to take repeated and forked 2xx for timer M.
        this.#state = 'accepted';
        this.#quiet();
        this.#endAfter(transactionTimeoutMs(this.#dependencies.timers));
      }
      if (this.#state === 'accepted') this.#dependencies.handlers.onResponse(response);
    } else if (waiting) {
      this.#complete(response);
    } else if (this.#state === 'completed' && this.#ack !== undefined) {
      this.#send(this.#ack);
    }
  }

  fail(reason: string): void {
    // §17.1.1.2: the owner is told only while it waits for an answer; an ACK that could not be sent changes nothing.
    if (this.#state === 'calling' || this.#state === 'proceeding') this.#end({ kind: 'transport', reason });
  }

  /** No answer came although a CANCEL was sent (§9.1): the owner gives the transaction up. */
  stop(): void {
    this.#end(undefined);
  }

  #complete(response: SipResponse): void {
    this.#state = 'completed';
    this.#quiet();
    this.#ack = refusalAck(this.request, response);
    this.#send(this.#ack);
    this.#endAfter(timerDMs(this.flow, this.#dependencies.timers));
    this.#dependencies.handlers.onResponse(response);
  }

  #send(message: SipRequest): void {
    // Failing comes later, so that the code that starts a transaction has it in hand by then.
    this.#dependencies.send(message, this.flow, (reason) => queueMicrotask(() => this.fail(reason)));
  }

  #quiet(): void {
    this.#repeater.stop();
    clearTimeout(this.#timer);
  }

  #endAfter(delayMs: number): void {
    this.#timer = setTimeout(() => this.#end(undefined), delayMs).unref();
  }

  #end(failure: ClientFailure | undefined): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#quiet();
    this.#dependencies.onTerminated();
    if (failure !== undefined) this.#dependencies.handlers.onFailure(failure);
  }
}

/** The ACK of a 300 to 699: part of the transaction, with its Via (§17.1.1.3). */
function refusalAck(invite: SipRequest, response: SipResponse): SipRequest {
  const headers: SipHeader[] = [
    { name: 'Via', value: headerLinesOf(invite, 'Via')[0] ?? '' },
    { name: 'Max-Forwards', value: '70' },
    { name: 'From', value: headerOf(invite, 'From') ?? '' },
    { name: 'To', value: headerOf(response, 'To') ?? '' },
    { name: 'Call-ID', value: headerOf(invite, 'Call-ID') ?? '' },
    { name: 'CSeq', value: `${cseqNumber(invite)} ACK` },
    ...headerLinesOf(invite, 'Route').map((value) => ({ name: 'Route', value })),
  ];
  return { kind: 'request', method: 'ACK', uri: invite.uri, headers, body: NO_BODY };
}

/** The CANCEL of an INVITE: the same but for the method, without Require (§9.1). */
export function cancelOf(invite: SipRequest): SipRequest {
  const headers: SipHeader[] = [
    { name: 'Via', value: headerLinesOf(invite, 'Via')[0] ?? '' },
    { name: 'Max-Forwards', value: '70' },
    { name: 'From', value: headerOf(invite, 'From') ?? '' },
    { name: 'To', value: headerOf(invite, 'To') ?? '' },
    { name: 'Call-ID', value: headerOf(invite, 'Call-ID') ?? '' },
    { name: 'CSeq', value: `${cseqNumber(invite)} CANCEL` },
    ...headerLinesOf(invite, 'Route').map((value) => ({ name: 'Route', value })),
  ];
  return { kind: 'request', method: 'CANCEL', uri: invite.uri, headers, body: NO_BODY };
}

export function cseqNumber(request: SipRequest): number {
  return Number.parseInt(headerOf(request, 'CSeq') ?? '0', 10);
}

/** Everything but INVITE and ACK (§17.1.2). */
export class PlainClientTransaction implements ClientTransaction {
  readonly request: SipRequest;
  readonly flow: Flow;
  readonly #dependencies: ClientDependencies;
  readonly #repeater = new Repeater();
  #state: 'trying' | 'proceeding' | 'completed' | 'terminated' = 'trying';
  /** F, then K. */
  #timer: NodeJS.Timeout | undefined;

  constructor(dependencies: ClientDependencies) {
    this.#dependencies = dependencies;
    this.request = dependencies.request;
    this.flow = dependencies.flow;
  }

  start(): void {
    const { timers, timeoutMs } = this.#dependencies;
    this.#timer = setTimeout(() => this.#end({ kind: 'timeout' }), timeoutMs);
    // Timer E: doubling up to T2 (§17.1.2.2).
    if (!this.flow.reliable) this.#repeater.start(timers.t1Ms, timers.t2Ms, () => this.#send());
    this.#send();
  }

  receive(response: SipResponse): void {
    if (this.#state !== 'trying' && this.#state !== 'proceeding') return;
    const { timers, handlers } = this.#dependencies;
    if (response.status < 200) {
      // §17.1.2.2: goes on repeating, every T2.
      if (this.#state === 'trying' && !this.flow.reliable) {
        this.#repeater.start(timers.t2Ms, timers.t2Ms, () => this.#send());
      }
      this.#state = 'proceeding';
    } else {
      this.#state = 'completed';
      this.#quiet();
      // Timer K swallows repetitions.
      this.#timer = setTimeout(() => this.#end(undefined), this.flow.reliable ? 0 : timers.t4Ms).unref();
    }
    handlers.onResponse(response);
  }

  fail(reason: string): void {
    if (this.#state === 'trying' || this.#state === 'proceeding') this.#end({ kind: 'transport', reason });
  }

  stop(): void {
    this.#end(undefined);
  }

  #send(): void {
    this.#dependencies.send(this.request, this.flow, (reason) => queueMicrotask(() => this.fail(reason)));
  }

  #quiet(): void {
    this.#repeater.stop();
    clearTimeout(this.#timer);
  }

  #end(failure: ClientFailure | undefined): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#quiet();
    this.#dependencies.onTerminated();
    if (failure !== undefined) this.#dependencies.handlers.onFailure(failure);
  }
}
