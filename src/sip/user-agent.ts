/**
 * The outbound SIP user agent: calls through trunks, OPTIONS as their heartbeat. It takes no calls itself. `stop` ends
 * every call (bounded) and closes every socket and timer.
 */
import { type Clock, FollowingClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { contactHeader } from './dialog.ts';
import { type Claim, SipEndpoint } from './endpoint.ts';
import { claimStray } from './established-call.ts';
import { escapeUser, randomToken } from './header-values.ts';
import { headerOf, NO_BODY, type SipMessage, type SipRequest } from './message.ts';
import {
  type CallHandlers,
  type CallOptions,
  flowTarget,
  type OutboundCall,
  PlacedCall,
  type TrunkTarget,
} from './outbound-call.ts';
import type { IncomingRequest } from './server-transaction.ts';
import type { SipTimers } from './timers.ts';
import type { Bind, BoundPorts } from './transport.ts';

export type { CallEnd } from './call-end.ts';
export type { CallHandlers, CallOptions, OutboundCall, TrunkTarget } from './outbound-call.ts';
export type { RemoteMedia } from './sdp.ts';
export type { Bind, BoundPorts } from './transport.ts';

export interface SipUserAgentDependencies {
  bind: Bind;
  /** What Via and Contact say instead of the bound address: the one that the trunks see. */
  publicAddress?: string | undefined;
  log: Logger;
  /** For the times of `onMessage`. */
  clock?: Clock | undefined;
  /** For tests. */
  timers?: SipTimers | undefined;
}

export type OptionsResult = { kind: 'alive'; status: number } | { kind: 'dead'; reason: string };

const MAX_CALLS = 10_000;
/** For BYEs and CANCELs to be answered. */
const STOP_WAIT_MS = 2_000;

export class SipUserAgent {
  readonly #endpoint: SipEndpoint;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #calls = new Map<string, PlacedCall>();
  #whenEmpty: (() => void) | undefined;
  #stopping = false;

  constructor({ bind, publicAddress, log, clock = new FollowingClock(), timers }: SipUserAgentDependencies) {
    this.#log = log;
    this.#clock = clock;
    this.#endpoint = new SipEndpoint({
      bind,
      publicAddress,
      timers,
      log,
      handlers: {
        onRequest: (incoming) => this.#claim(incoming),
        onAck: (incoming) => this.#calls.get(incoming.identity.callId)?.acknowledge(incoming),
        onTraffic: (direction, message) => this.#callOf(message)?.trace(direction, message),
      },
    });
  }

  /** Rejects with the system's error when a port is taken. */
  start(): Promise<BoundPorts> {
    return this.#endpoint.start();
  }

  /** Hangs up every call, waits a moment for the answers, then closes. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const call of this.#calls.values()) call.hangUp();
    await this.#waitUntilEmpty();
    for (const call of this.#calls.values()) call.abandon();
    this.#calls.clear();
    await this.#endpoint.stop();
  }

  /** Handlers are called after this has returned. */
  call(options: CallOptions, handlers: CallHandlers): OutboundCall {
    const call: PlacedCall = new PlacedCall({
      endpoint: this.#endpoint,
      clock: this.#clock,
      log: this.#log,
      options,
      handlers,
      onGone: () => this.#remove(call),
    });
    if (this.#stopping || this.#calls.size >= MAX_CALLS) {
      const reason = this.#stopping ? 'the user agent is stopping' : 'too many calls';
      queueMicrotask(() => handlers.onEnded({ kind: 'trunk-failed', reason }));
      return call;
    }
    this.#calls.set(call.callId, call);
    void call.start();
    return call;
  }

  /** Any answer is a sign of life, a refusal too: `status` says which (§11.1). */
  async options(trunk: TrunkTarget): Promise<OptionsResult> {
    try {
      const flow = await this.#endpoint.connect(flowTarget(trunk), trunk.timerBMs);
      const request = optionsRequest(trunk, contactHeader(flow, escapeUser(trunk.fromUser)).value);
      return await new Promise<OptionsResult>((resolve) => {
        this.#endpoint.request(
          flow,
          request,
          {
            onResponse: ({ status }) => {
              if (status >= 200) resolve({ kind: 'alive', status });
            },
            onFailure: (failure) =>
              resolve({ kind: 'dead', reason: failure.kind === 'timeout' ? 'no response' : failure.reason }),
          },
          trunk.timerBMs,
        );
      });
    } catch (error) {
      return { kind: 'dead', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  #claim(incoming: IncomingRequest): Claim {
    const call = this.#calls.get(incoming.identity.callId);
    return call === undefined ? claimStray(incoming) : call.claim(incoming);
  }

  #callOf(message: SipMessage): PlacedCall | undefined {
    return this.#calls.get(headerOf(message, 'Call-ID') ?? '');
  }

  #remove(call: PlacedCall): void {
    this.#calls.delete(call.callId);
    if (this.#calls.size === 0) this.#whenEmpty?.();
  }

  async #waitUntilEmpty(): Promise<void> {
    if (this.#calls.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, STOP_WAIT_MS);
      this.#whenEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function optionsRequest({ domain, fromUser }: TrunkTarget, contact: string): SipRequest {
  return {
    kind: 'request',
    method: 'OPTIONS',
    uri: `sip:${domain}`,
    headers: [
      { name: 'Max-Forwards', value: '70' },
      { name: 'From', value: `<sip:${escapeUser(fromUser)}@${domain}>;tag=${randomToken()}` },
      { name: 'To', value: `<sip:${domain}>` },
      { name: 'Call-ID', value: randomToken() },
      { name: 'CSeq', value: '1 OPTIONS' },
      { name: 'Contact', value: contact },
      { name: 'Accept', value: 'application/sdp' },
    ],
    body: NO_BODY,
  };
}
