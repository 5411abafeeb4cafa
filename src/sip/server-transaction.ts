/**
 * Server transactions (RFC 3261 §17.2, RFC 6026): a repeated request gets the answer it had before, a refused INVITE's
 * answer is repeated until its ACK. A 2xx to INVITE is repeated by `UnacknowledgedAnswer`, not here.
 */
import type { Flow } from './flow.ts';
import type { MessageIdentity } from './header-values.ts';
import {
  headerLinesOf,
  headerOf,
  NO_BODY,
  reasonPhrase,
  type SipHeader,
  type SipRequest,
  type SipResponse,
} from './message.ts';
import { Repeater, type SipTimers, transactionTimeoutMs } from './timers.ts';

export interface IncomingRequest {
  /** Its topmost Via already says where it came from (§18.2.1). */
  request: SipRequest;
  identity: MessageIdentity;
  /** The way back (§18.2.2). */
  flow: Flow;
}

export interface Answer {
  status: number;
  reason?: string;
  /** Put on To where the request had no tag (§8.2.6.2). */
  toTag: string;
  headers?: readonly SipHeader[];
  body?: Buffer;
}

/** §8.2.6: Via, From, To, Call-ID and CSeq come back as they were. */
export function responseTo({ request, identity }: IncomingRequest, answer: Answer): SipResponse {
  const to = headerOf(request, 'To') ?? '';
  const tagged = identity.toTag === '' && answer.status > 100 ? `${to};tag=${answer.toTag}` : to;
  return {
    kind: 'response',
    status: answer.status,
    reason: answer.reason ?? reasonPhrase(answer.status),
    headers: [
      ...headerLinesOf(request, 'Via').map((value) => ({ name: 'Via', value })),
      { name: 'From', value: headerOf(request, 'From') ?? '' },
      { name: 'To', value: tagged },
      { name: 'Call-ID', value: identity.callId },
      { name: 'CSeq', value: headerOf(request, 'CSeq') ?? '' },
      ...(answer.headers ?? []),
    ],
    body: answer.body ?? NO_BODY,
  };
}

export interface ServerDependencies {
  incoming: IncomingRequest;
  timers: SipTimers;
  send(message: SipResponse, flow: Flow): void;
  onTerminated(): void;
}

/** §17.2.1: an INVITE that is not answered in this time gets a 100 automatically. */
const TRYING_MS = 200;

export class ServerTransaction {
  readonly incoming: IncomingRequest;
  /** The INVITE was cancelled (§9.2); its owner still has to answer it. */
  onCancel: (() => void) | undefined;
  readonly #dependencies: ServerDependencies;
  readonly #isInvite: boolean;
  readonly #repeater = new Repeater();
  #state: 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated' = 'proceeding';
  #timer: NodeJS.Timeout | undefined;
  #last: SipResponse | undefined;
  #toTag: string | undefined;

  constructor(dependencies: ServerDependencies) {
    this.#dependencies = dependencies;
    this.incoming = dependencies.incoming;
    this.#isInvite = dependencies.incoming.request.method === 'INVITE';
    if (this.#isInvite) this.#timer = setTimeout(() => this.respond({ status: 100, toTag: '' }), TRYING_MS);
  }

  /** No final answer was given yet. */
  get pending(): boolean {
    return this.#state === 'proceeding';
  }

  /** The final answer was a refusal, whose ACK belongs here. */
  get refused(): boolean {
    return this.#state === 'completed' || this.#state === 'confirmed';
  }

  /** The tag of the answers given so far. */
  get toTag(): string | undefined {
    return this.#toTag;
  }

  /** Provisional answers, then one final; later ones are ignored. Returns what was sent. */
  respond(answer: Answer): SipResponse | undefined {
    if (this.#state !== 'proceeding') return undefined;
    const { timers } = this.#dependencies;
    const response = responseTo(this.incoming, answer);
    clearTimeout(this.#timer);
    this.#last = response;
    this.#toTag = answer.toTag || this.#toTag;
    this.#dependencies.send(response, this.incoming.flow);
    if (answer.status < 200) return response;
    const timeoutMs = transactionTimeoutMs(timers);
    const { reliable } = this.incoming.flow;
    if (!this.#isInvite) {
      // Timer J (§17.2.2).
      this.#state = 'completed';
      this.#endAfter(reliable ? 0 : timeoutMs);
    } else if (answer.status < 300) {
      // Timer L (RFC 6026 §7.1).
      this.#state = 'accepted';
      this.#endAfter(timeoutMs);
    } else {
      // Timers G and H (§17.2.1).
      this.#state = 'completed';
      this.#endAfter(timeoutMs);
      if (!reliable) {
        this.#repeater.start(timers.t1Ms, timers.t2Ms, () => this.#dependencies.send(response, this.incoming.flow));
      }
    }
    return response;
  }

  /** The same request came again. */
  receiveAgain(): void {
    const silent = this.#state === 'accepted' || this.#state === 'confirmed';
    if (!silent && this.#last !== undefined) this.#dependencies.send(this.#last, this.incoming.flow);
  }

  /** The ACK of a refusal. */
  receiveAck(): void {
    if (this.#state !== 'completed') return;
    this.#state = 'confirmed';
    this.#repeater.stop();
    clearTimeout(this.#timer);
    // Timer I.
    this.#endAfter(this.incoming.flow.reliable ? 0 : this.#dependencies.timers.t4Ms);
  }

  stop(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#repeater.stop();
    clearTimeout(this.#timer);
    this.#dependencies.onTerminated();
  }

  #endAfter(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.stop(), delayMs).unref();
  }
}

export interface UnacknowledgedDependencies {
  response: SipResponse;
  flow: Flow;
  timers: SipTimers;
  send(message: SipResponse, flow: Flow): void;
  /** 64·T1 passed without an ACK. */
  onGivenUp(): void;
}

/** A 2xx to INVITE, repeated over every transport until its ACK (§13.3.1.4). */
export class UnacknowledgedAnswer {
  readonly #repeater = new Repeater();
  readonly #timer: NodeJS.Timeout;

  constructor(dependencies: UnacknowledgedDependencies) {
    const { response, flow, timers } = dependencies;
    this.#repeater.start(timers.t1Ms, timers.t2Ms, () => dependencies.send(response, flow));
    this.#timer = setTimeout(() => {
      this.#repeater.stop();
      dependencies.onGivenUp();
    }, transactionTimeoutMs(timers));
  }

  stop(): void {
    this.#repeater.stop();
    clearTimeout(this.#timer);
  }
}
