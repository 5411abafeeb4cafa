/**
 * One outbound call from the caller's side (RFC 3261 §13.2, §9, §15): INVITE with digest, provisional answers, ACK,
 * CANCEL and its races, forked answers, BYE. It ends exactly once, with what became of it, and knows no audio.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type CallEnd, failureEnd, refusalEnd } from './call-end.ts';
import { type ClientTransaction, cancelOf } from './client-transaction.ts';
import { contactHeader, dialogOfResponse } from './dialog.ts';
import { Credentials } from './digest.ts';
import type { Claim, SipEndpoint } from './endpoint.ts';
import { ALLOW, EstablishedCall, SDP_TYPE } from './established-call.ts';
import type { Flow, FlowTarget, TransportName } from './flow.ts';
import { escapeUser, headerListOf, identify, randomToken } from './header-values.ts';
import { headerOf, type SipMessage, type SipRequest, type SipResponse } from './message.ts';
import { type RemoteMedia, readMedia, writeOffer } from './sdp.ts';
import type { IncomingRequest } from './server-transaction.ts';
import { transactionTimeoutMs } from './timers.ts';

export interface TrunkTarget {
  /** A name or an address; names are looked up as A or AAAA. */
  host: string;
  port: number;
  transport: TransportName;
  username?: string;
  password?: string;
  fromUser: string;
  domain: string;
  tls?: { ca?: string; servername?: string; rejectUnauthorized?: boolean };
  /** When no response comes in this time, the trunk has failed (Timer B); connecting may take as long too. */
  timerBMs: number;
}

export interface CallOptions {
  trunk: TrunkTarget;
  /** Digits, with or without `+`. */
  to: string;
  localRtp: { address: string; port: number };
  /** From the first 18x; before one, from the first answer of any kind. */
  ringTimeoutMs: number;
}

export interface CallHandlers {
  /** 101 to 199. */
  onProgress(status: number): void;
  /** At most once, before `onEnded`. */
  onAnswered(media: RemoteMedia): void;
  /** Exactly once; by `hangUp` of an answered call before that returns. */
  onEnded(end: CallEnd): void;
  /** Every message of the call, repetitions included, up to 200; some come after `onEnded`. */
  onMessage(line: { direction: 'sent' | 'received'; summary: string; atMs: number }): void;
  onMediaChanged(media: RemoteMedia): void;
}

export interface OutboundCall {
  readonly callId: string;
  /** BYE, or CANCEL before an answer. */
  hangUp(): void;
}

export interface PlacedCallDependencies {
  endpoint: SipEndpoint;
  clock: Clock;
  log: Logger;
  options: CallOptions;
  handlers: CallHandlers;
  /** Ended, and nothing more will be sent. */
  onGone(): void;
}

const MAX_FORKS = 8;
const MAX_LINES = 200;
const MAX_SDP_SESSION_ID = 0x7fffffff;

export class PlacedCall implements OutboundCall {
  readonly callId = randomToken();
  readonly #dependencies: PlacedCallDependencies;
  readonly #localTag = randomToken();
  readonly #credentials: Credentials;
  /** Calls that our INVITE led to, by the tag of the callee that answered: one, unless it was forked. */
  readonly #answers = new Map<string, EstablishedCall>();
  /** Descriptions in provisional answers, by tag, for peers that leave them out of the 2xx. */
  readonly #early = new Map<string, string>();
  readonly #origin: { id: number; version: number };
  #phase: 'connecting' | 'calling' | 'answered' | 'ended' = 'connecting';
  /** The end that we decided on, while the peer can still bring about another. */
  #intent: CallEnd | undefined;
  #flow: Flow | undefined;
  #cseq = 0;
  #invite: ClientTransaction | undefined;
  #provisional = false;
  #rang = false;
  #cancelSent = false;
  #established: EstablishedCall | undefined;
  /** Ringing time, then the wait after CANCEL. */
  #timer: NodeJS.Timeout | undefined;
  #pendingByes = 0;
  #lines = 0;

  constructor(dependencies: PlacedCallDependencies) {
    this.#dependencies = dependencies;
    const { username, password } = dependencies.options.trunk;
    const account = username === undefined ? undefined : { username, password: password ?? '' };
    this.#credentials = new Credentials(account);
    this.#origin = { id: Number.parseInt(this.callId.slice(0, 8), 16) & MAX_SDP_SESSION_ID, version: 1 };
  }

  async start(): Promise<void> {
    const { endpoint, options } = this.#dependencies;
    try {
      this.#flow = await endpoint.connect(flowTarget(options.trunk), options.trunk.timerBMs);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return this.#finish({ kind: 'trunk-failed', reason });
    }
    if (this.#phase !== 'connecting') return;
    this.#phase = 'calling';
    this.#sendInvite(this.#flow);
  }

  hangUp(): void {
    if (this.#phase === 'connecting') this.#finish({ kind: 'cancelled' });
    else if (this.#phase === 'calling') this.#cancel({ kind: 'cancelled' });
    else if (this.#phase === 'answered' && this.#established !== undefined) {
      this.#bye(this.#established);
      this.#finish({ kind: 'hung-up', by: 'us' });
    }
  }

  /** The process stops: ends without waiting for anybody. */
  abandon(): void {
    for (const call of this.#answers.values()) call.stop();
    const end: CallEnd = this.#phase === 'answered' ? { kind: 'hung-up', by: 'us' } : { kind: 'cancelled' };
    this.#finish(this.#intent ?? end);
  }

  claim(incoming: IncomingRequest): Claim {
    const call = this.#answers.get(incoming.identity.fromTag);
    if (call !== undefined) return call.claim(incoming);
    // §14.2: our own INVITE is not through.
    const glare = this.#phase === 'calling' && incoming.request.method === 'INVITE';
    return { kind: 'refuse', status: glare && incoming.identity.toTag === this.#localTag ? 491 : 481 };
  }

  acknowledge(incoming: IncomingRequest): void {
    this.#answers.get(incoming.identity.fromTag)?.acknowledge(incoming);
  }

  trace(direction: 'sent' | 'received', message: SipMessage): void {
    if (this.#lines >= MAX_LINES) return;
    this.#lines += 1;
    const atMs = this.#dependencies.clock.now();
    this.#tell((handlers) => handlers.onMessage({ direction, summary: summaryOf(message), atMs }));
  }

  /** §13.2.1; again with the next CSeq after a challenge (§22.2). */
  #sendInvite(flow: Flow): void {
    const { endpoint, options } = this.#dependencies;
    const { trunk, to, localRtp } = options;
    this.#cseq += 1;
    this.#provisional = false;
    const uri = `sip:${escapeUser(to)}@${trunk.domain}`;
    const request: SipRequest = {
      kind: 'request',
      method: 'INVITE',
      uri,
      headers: [
        { name: 'Max-Forwards', value: '70' },
        { name: 'From', value: `<sip:${escapeUser(trunk.fromUser)}@${trunk.domain}>;tag=${this.#localTag}` },
        { name: 'To', value: `<${uri}>` },
        { name: 'Call-ID', value: this.callId },
        { name: 'CSeq', value: `${this.#cseq} INVITE` },
        contactHeader(flow, escapeUser(trunk.fromUser)),
        ALLOW,
        ...this.#credentials.headersFor('INVITE', uri),
        SDP_TYPE,
      ],
      body: Buffer.from(writeOffer(localRtp, this.#origin)),
    };
    this.#invite = endpoint.request(
      flow,
      request,
      {
        onResponse: (response) => this.#onResponse(response, flow),
        onFailure: (failure) => this.#finish(this.#intent ?? failureEnd(failure)),
      },
      trunk.timerBMs,
    );
  }

  #onResponse(response: SipResponse, flow: Flow): void {
    if (response.status < 200) this.#onProvisional(response);
    else if (response.status < 300) this.#onAccepted(response, flow);
    else this.#onRefused(response, flow);
  }

  #onProvisional(response: SipResponse): void {
    if (this.#phase !== 'calling') return;
    const first = !this.#provisional;
    this.#provisional = true;
    // §9.1: a CANCEL that had to wait for this.
    if (this.#intent !== undefined) {
      this.#sendCancel();
      return;
    }
    // RFC 3262 §4 forbids this, since we did not send Supported: 100rel. We send no PRACK, so the call would hang.
    if (headerListOf(response, 'Require').some((option) => option.toLowerCase() === '100rel')) {
      this.#cancel({ kind: 'trunk-failed', reason: 'the trunk demands 100rel, which was not offered' });
      return;
    }
    const ringing = response.status > 100;
    if (first || (ringing && !this.#rang)) this.#startRinging();
    if (!ringing) return;
    this.#rang = true;
    const tag = identify(response)?.toTag ?? '';
    if (response.body.length > 0 && (this.#early.has(tag) || this.#early.size < MAX_FORKS)) {
      this.#early.set(tag, response.body.toString('utf8'));
    }
    this.#tell((handlers) => handlers.onProgress(response.status));
  }

  #startRinging(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const heard: CallEnd = { kind: 'no-answer' };
      this.#cancel(this.#rang ? heard : { kind: 'trunk-failed', reason: 'nothing but 100 from the trunk' });
    }, this.#dependencies.options.ringTimeoutMs);
  }

  #onAccepted(response: SipResponse, flow: Flow): void {
    const identity = identify(response);
    const invite = this.#invite?.request;
    if (identity === undefined || invite === undefined) return;
    const known = this.#answers.get(identity.toTag);
    // §13.2.2.4: every 2xx gets its ACK, repeated ones too.
    if (known !== undefined) {
      known.sendAck(invite, identity.cseq);
      return;
    }
    if (this.#answers.size >= MAX_FORKS) return;
    const call = this.#establish(invite, response, flow, identity);
    this.#answers.set(identity.toTag, call);
    call.sendAck(invite, identity.cseq);
    if (this.#phase !== 'calling') {
      this.#bye(call);
      return;
    }
    clearTimeout(this.#timer);
    if (this.#intent !== undefined) {
      // Crossed our CANCEL (§9.1): the call stands and has to be ended.
      this.#bye(call);
      this.#finish(this.#intent);
      return;
    }
    const description = response.body.length > 0 ? response.body.toString('utf8') : this.#early.get(identity.toTag);
    const read = readMedia(description ?? '');
    if (read.kind === 'unusable') {
      this.#bye(call);
      const reason = `answered without media: ${read.reason}`;
      this.#finish({ kind: 'trunk-failed', reason, status: response.status });
      return;
    }
    this.#phase = 'answered';
    this.#established = call;
    this.#tell((handlers) => handlers.onAnswered(read.media));
  }

  #establish(
    invite: SipRequest,
    response: SipResponse,
    flow: Flow,
    identity: Parameters<typeof dialogOfResponse>[2],
  ): EstablishedCall {
    const { endpoint, options } = this.#dependencies;
    const { trunk, localRtp } = options;
    const isCurrent = (): boolean => this.#established === call && this.#phase === 'answered';
    const call: EstablishedCall = new EstablishedCall({
      endpoint,
      flow,
      ...(trunk.tls === undefined ? {} : { tls: trunk.tls }),
      dialog: dialogOfResponse(invite, response, identity),
      contactUser: escapeUser(trunk.fromUser),
      local: localRtp,
      origin: this.#origin,
      credentials: this.#credentials,
      connectTimeoutMs: trunk.timerBMs,
      handlers: {
        onMediaChanged: (media) => {
          if (isCurrent()) this.#tell((handlers) => handlers.onMediaChanged(media));
        },
        onBye: () => {
          if (isCurrent()) this.#finish({ kind: 'hung-up', by: 'them' });
        },
        onAcknowledged: () => undefined,
        onLost: () => {
          if (isCurrent()) this.hangUp();
        },
      },
    });
    return call;
  }

  #onRefused(response: SipResponse, flow: Flow): void {
    if (this.#phase !== 'calling') return;
    if (this.#intent !== undefined) {
      this.#finish(this.#intent);
      return;
    }
    if (response.status !== 401 && response.status !== 407) {
      this.#finish(refusalEnd(response, this.#rang));
      return;
    }
    const outcome = this.#credentials.take(response);
    if (outcome === 'answered') {
      clearTimeout(this.#timer);
      this.#sendInvite(flow);
      return;
    }
    const reason = {
      rejected: 'credentials rejected',
      unsupported: 'no digest we know',
      'no-credentials': 'credentials wanted',
    };
    this.#finish({ kind: 'trunk-failed', reason: reason[outcome], status: response.status });
  }

  #cancel(intent: CallEnd): void {
    if (this.#intent !== undefined) return;
    this.#intent = intent;
    clearTimeout(this.#timer);
    // §9.1: not before a provisional; until one comes, or a final, timer B bounds the wait.
    if (this.#provisional) this.#sendCancel();
  }

  #sendCancel(): void {
    const { endpoint } = this.#dependencies;
    const invite = this.#invite;
    if (invite === undefined || this.#cancelSent) return;
    this.#cancelSent = true;
    endpoint.cancel(invite.flow, cancelOf(invite.request), {
      onResponse: () => undefined,
      onFailure: () => undefined,
    });
    // §9.1: without a final answer within 64·T1 the INVITE counts as cancelled.
    this.#timer = setTimeout(() => {
      invite.stop();
      this.#finish(this.#intent ?? { kind: 'cancelled' });
    }, transactionTimeoutMs(endpoint.timers));
  }

  #bye(call: EstablishedCall): void {
    this.#pendingByes += 1;
    call.bye(() => {
      this.#pendingByes -= 1;
      this.#release();
    });
  }

  #finish(end: CallEnd): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    clearTimeout(this.#timer);
    this.#established?.stop();
    this.#tell((handlers) => handlers.onEnded(end));
    this.#release();
  }

  #release(): void {
    if (this.#phase === 'ended' && this.#pendingByes === 0) this.#dependencies.onGone();
  }

  #tell(call: (handlers: CallHandlers) => void): void {
    try {
      call(this.#dependencies.handlers);
    } catch (error) {
      this.#dependencies.log.error({ err: error, callId: this.callId }, 'a handler of a call failed');
    }
  }
}

export function flowTarget({ transport, host, port, tls }: TrunkTarget): FlowTarget {
  return { transport, host, port, ...(tls === undefined ? {} : { tls }) };
}

/** `INVITE sip:0912345678@example.net (1 INVITE)`, `180 Ringing (1 INVITE)`. */
function summaryOf(message: SipMessage): string {
  const start = message.kind === 'request' ? `${message.method} ${message.uri}` : `${message.status} ${message.reason}`;
  return `${start} (${headerOf(message, 'CSeq') ?? ''})`;
}
