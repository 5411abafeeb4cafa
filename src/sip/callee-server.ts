/**
 * Listens for calls on UDP, TCP and TLS and hands each INVITE out as a `CalleeSession`. OPTIONS and requests of
 * unknown calls are answered here. For the simulated telephone.
 */
import type { Logger } from '../base/log.ts';
import { type CalleeSession, IncomingCall } from './callee-session.ts';
import { type Claim, SipEndpoint } from './endpoint.ts';
import { claimStray, screen } from './established-call.ts';
import type { SipHeader, SipRequest } from './message.ts';
import type { IncomingRequest } from './server-transaction.ts';
import type { SipTimers } from './timers.ts';
import type { Bind, BoundPorts } from './transport.ts';

export interface CalleeServerDependencies {
  bind: Bind;
  log: Logger;
  /** For tests. */
  timers?: SipTimers | undefined;
  /** Undefined lets an INVITE in; otherwise what it is refused with, such as a challenge (§22.2). */
  authorize?: ((request: SipRequest) => { status: number; headers: readonly SipHeader[] } | undefined) | undefined;
  /** Called inside of the INVITE's arrival; the session's `handlers` are set here. */
  onInvite(session: CalleeSession): void;
}

const MAX_CALLS = 10_000;

export class SipCalleeServer {
  readonly #dependencies: CalleeServerDependencies;
  readonly #endpoint: SipEndpoint;
  readonly #calls = new Map<string, IncomingCall>();

  constructor(dependencies: CalleeServerDependencies) {
    const { bind, log, timers } = dependencies;
    this.#dependencies = dependencies;
    this.#endpoint = new SipEndpoint({
      bind,
      timers,
      log,
      handlers: {
        onRequest: (incoming) => this.#claim(incoming),
        onAck: (incoming) => this.#calls.get(incoming.identity.callId)?.acknowledge(incoming),
        onTraffic: () => undefined,
      },
    });
  }

  /** Rejects with the system's error when a port is taken. */
  start(): Promise<BoundPorts> {
    return this.#endpoint.start();
  }

  /** Every call ends without a message. */
  async stop(): Promise<void> {
    for (const call of this.#calls.values()) call.abandon();
    this.#calls.clear();
    await this.#endpoint.stop();
  }

  #claim(incoming: IncomingRequest): Claim {
    const { request, identity } = incoming;
    const call = this.#calls.get(identity.callId);
    if (call !== undefined) return call.claim(incoming);
    if (request.method !== 'INVITE' || identity.toTag !== '') return claimStray(incoming);
    const refusal = screen(request);
    if (refusal !== undefined) return refusal;
    const unauthorized = this.#dependencies.authorize?.(request);
    if (unauthorized !== undefined) return { kind: 'refuse', ...unauthorized };
    if (this.#calls.size >= MAX_CALLS) return { kind: 'refuse', status: 503 };
    return {
      kind: 'take',
      handle: (transaction) => {
        const session: IncomingCall = new IncomingCall({
          endpoint: this.#endpoint,
          transaction,
          onGone: () => {
            if (this.#calls.get(identity.callId) === session) this.#calls.delete(identity.callId);
          },
        });
        this.#calls.set(identity.callId, session);
        this.#dependencies.onInvite(session);
      },
    };
  }
}
