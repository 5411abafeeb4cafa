/**
 * One incoming call from the callee's side (RFC 3261 §13.3): ring, answer with the 2xx repeated until its ACK, refuse,
 * be cancelled, hang up. For the simulated telephone; it knows no audio.
 */
import { dialogOfRequest, contactHeader } from './dialog.ts';
import type { Claim, SipEndpoint } from './endpoint.ts';
import { EstablishedCall, SDP_TYPE } from './established-call.ts';
import { escapeUser, parseUri, randomToken } from './header-values.ts';
import { headerLinesOf, type SipHeader } from './message.ts';
import { type LocalMedia, type RemoteMedia, readMedia, writeAnswer, writeOffer } from './sdp.ts';
import type { IncomingRequest, ServerTransaction } from './server-transaction.ts';

export type { LocalMedia, RemoteMedia } from './sdp.ts';

export type CalleeEnd =
  | { kind: 'refused'; status: number }
  | { kind: 'cancelled' }
  | { kind: 'hung-up'; by: 'us' | 'them' }
  /** Our 2xx was never acknowledged (§13.3.1.4); a BYE was sent. */
  | { kind: 'no-ack' };

export interface CalleeHandlers {
  /** The ACK of our 2xx came: the call stands. */
  onAcknowledged?(): void;
  /**
   * A re-INVITE or UPDATE, or the ACK of an INVITE without an offer, says where the caller listens. Already answered.
   */
  onMediaChanged?(media: RemoteMedia): void;
  /** Exactly once, however the call ended. */
  onEnded(end: CalleeEnd): void;
}

export interface CalleeSession {
  readonly callId: string;
  /** User part of the Request-URI: the number that was dialled. */
  readonly dialled: string;
  /** User part of From. */
  readonly caller: string;
  /** What the caller offered; undefined when the INVITE had no offer or nothing usable. */
  readonly offered: RemoteMedia | undefined;
  /** To be set inside of `onInvite`. */
  handlers: CalleeHandlers;
  /** 101 to 199; with `media` an early answer goes along. */
  progress(status: number, media?: LocalMedia): void;
  /** 200 with our answer, or our offer where the INVITE had none; repeated until the ACK. */
  answer(media: LocalMedia): void;
  /** 300 to 699. */
  refuse(status: number, reason?: string): void;
  /** BYE once answered (after the ACK, §15), 480 before. */
  hangUp(): void;
}

export interface IncomingCallDependencies {
  endpoint: SipEndpoint;
  transaction: ServerTransaction;
  onGone(): void;
}

const CONNECT_TIMEOUT_MS = 4_000;
const MAX_SDP_SESSION_ID = 0x7fffffff;

export class IncomingCall implements CalleeSession {
  readonly callId: string;
  readonly dialled: string;
  readonly caller: string;
  readonly offered: RemoteMedia | undefined;
  handlers: CalleeHandlers = { onEnded: () => undefined };
  readonly #dependencies: IncomingCallDependencies;
  readonly #localTag = randomToken();
  readonly #origin: { id: number; version: number };
  #state: 'ringing' | 'answered' | 'acknowledged' | 'ended' = 'ringing';
  /** To hang up as soon as the ACK is here. */
  #leaving = false;
  #established: EstablishedCall | undefined;

  constructor(dependencies: IncomingCallDependencies) {
    this.#dependencies = dependencies;
    const { request, identity } = dependencies.transaction.incoming;
    this.callId = identity.callId;
    this.dialled = parseUri(request.uri)?.user ?? '';
    this.caller = parseUri(identity.from.uri)?.user ?? '';
    const read = readMedia(request.body.toString('utf8'));
    this.offered = read.kind === 'media' ? read.media : undefined;
    this.#origin = { id: Number.parseInt(this.#localTag.slice(0, 8), 16) & MAX_SDP_SESSION_ID, version: 1 };
    dependencies.transaction.onCancel = () => {
      // §9.2.
      dependencies.transaction.respond({ status: 487, toTag: this.#localTag });
      this.#finish({ kind: 'cancelled' });
    };
  }

  progress(status: number, media?: LocalMedia): void {
    if (this.#state !== 'ringing') return;
    const { transaction } = this.#dependencies;
    const { request } = transaction.incoming;
    const headers = this.#dialogHeaders();
    if (media === undefined) {
      transaction.respond({ status, toTag: this.#localTag, headers });
      return;
    }
    const offer = request.body.toString('utf8');
    const body = offer === '' ? writeOffer(media, this.#origin) : writeAnswer(offer, media, this.#origin);
    transaction.respond({
      status,
      toTag: this.#localTag,
      headers: [...headers, this.#contact(), SDP_TYPE],
      body: Buffer.from(body),
    });
  }

  answer(media: LocalMedia): void {
    if (this.#state !== 'ringing') return;
    const { endpoint, transaction } = this.#dependencies;
    const { request, identity, flow } = transaction.incoming;
    // §13.3.1: an offer of which nothing fits.
    if (request.body.length > 0 && this.offered === undefined) {
      this.refuse(488);
      return;
    }
    this.#state = 'answered';
    this.#established = new EstablishedCall({
      endpoint,
      flow,
      dialog: dialogOfRequest(request, identity, this.#localTag),
      contactUser: escapeUser(this.dialled),
      local: media,
      origin: this.#origin,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      handlers: {
        onMediaChanged: (changed) => this.handlers.onMediaChanged?.(changed),
        onBye: () => this.#finish({ kind: 'hung-up', by: 'them' }),
        onAcknowledged: () => this.#onAcknowledged(),
        onLost: () => this.#bye({ kind: 'no-ack' }),
      },
    });
    this.#established.accept(transaction, this.#dialogHeaders());
  }

  refuse(status: number, reason?: string): void {
    if (this.#state !== 'ringing') return;
    const { transaction } = this.#dependencies;
    transaction.respond({ status, toTag: this.#localTag, ...(reason === undefined ? {} : { reason }) });
    this.#finish({ kind: 'refused', status });
  }

  hangUp(): void {
    if (this.#state === 'ringing') this.refuse(480);
    // §15: the callee has to wait for the ACK.
    else if (this.#state === 'answered') this.#leaving = true;
    else if (this.#state === 'acknowledged') this.#bye({ kind: 'hung-up', by: 'us' });
  }

  /** The process stops. */
  abandon(): void {
    this.#established?.stop();
    this.#finish({ kind: 'hung-up', by: 'us' });
  }

  claim(incoming: IncomingRequest): Claim {
    if (this.#established !== undefined) return this.#established.claim(incoming);
    const ours = incoming.identity.toTag === this.#localTag;
    // §8.2.2.2: the same call, arriving by another way.
    if (incoming.identity.toTag === '') return { kind: 'refuse', status: 482 };
    return { kind: 'refuse', status: ours && incoming.request.method === 'INVITE' ? 491 : 481 };
  }

  acknowledge(incoming: IncomingRequest): void {
    this.#established?.acknowledge(incoming);
  }

  #onAcknowledged(): void {
    if (this.#state !== 'answered') return;
    this.#state = 'acknowledged';
    this.handlers.onAcknowledged?.();
    if (this.#leaving) this.hangUp();
  }

  #bye(end: CalleeEnd): void {
    this.#established?.bye(() => this.#dependencies.onGone());
    this.#finish(end);
  }

  #finish(end: CalleeEnd): void {
    if (this.#state === 'ended') return;
    const waitsForBye = end.kind === 'no-ack' || (end.kind === 'hung-up' && end.by === 'us');
    this.#state = 'ended';
    this.handlers.onEnded(end);
    if (!waitsForBye) this.#dependencies.onGone();
  }

  /** §12.1.1: an answer that forms a dialog repeats the route. */
  #dialogHeaders(): SipHeader[] {
    const { request } = this.#dependencies.transaction.incoming;
    return headerLinesOf(request, 'Record-Route').map((value) => ({ name: 'Record-Route', value }));
  }

  #contact(): SipHeader {
    return contactHeader(this.#dependencies.transaction.incoming.flow, escapeUser(this.dialled));
  }
}
