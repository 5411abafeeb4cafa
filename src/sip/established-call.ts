/**
 * A call after its answer, the same for caller and callee: answers the peer's re-INVITE, UPDATE, BYE, OPTIONS, INFO
 * and NOTIFY, sends our ACK and BYE by the route set. It never changes the media on its own and starts no re-INVITE.
 */
import { contactHeader, contactOf, type Dialog, nextHop, requestWithin, targetBeside } from './dialog.ts';
import type { Credentials } from './digest.ts';
import type { Claim, SipEndpoint } from './endpoint.ts';
import type { Flow, FlowTarget } from './flow.ts';
import { headerListOf } from './header-values.ts';
import { headerOf, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { type LocalMedia, readMedia, type RemoteMedia, writeAnswer, writeOffer } from './sdp.ts';
import {
  type Answer,
  type IncomingRequest,
  type ServerTransaction,
  UnacknowledgedAnswer,
} from './server-transaction.ts';

export const ALLOWED_METHODS = 'INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS, INFO, NOTIFY';
export const ALLOW: SipHeader = { name: 'Allow', value: ALLOWED_METHODS };
export const SDP_TYPE: SipHeader = { name: 'Content-Type', value: 'application/sdp' };
const NO_EXTENSIONS: SipHeader = { name: 'Supported', value: '' };
/** §14.2 asks for a random 0 to 10; but the peer's own ACK is under way, so it may try again soon. */
const RETRY_AFTER_S = '1';

export interface EstablishedHandlers {
  /** The peer listens elsewhere or in another coding, or holds. */
  onMediaChanged(media: RemoteMedia): void;
  /** The peer sent BYE; it is answered. */
  onBye(): void;
  /** Our 200 to an INVITE got its ACK. */
  onAcknowledged(): void;
  /** It got none within 64·T1: the owner should hang up (§13.3.1.4). */
  onLost(): void;
}

export interface EstablishedDependencies {
  endpoint: SipEndpoint;
  /** The flow that the call was set up on. */
  flow: Flow;
  tls?: FlowTarget['tls'];
  dialog: Dialog;
  contactUser: string;
  local: LocalMedia;
  /** Of our latest description; the version grows with each. */
  origin: { id: number; version: number };
  credentials?: Credentials | undefined;
  /** For connecting elsewhere. */
  connectTimeoutMs: number;
  handlers: EstablishedHandlers;
}

export class EstablishedCall {
  readonly dialog: Dialog;
  readonly #dependencies: EstablishedDependencies;
  #answer: UnacknowledgedAnswer | undefined;
  /** Our 200 made an offer, and its ACK has to bring the answer. */
  #offered = false;
  /** BYE went or came. */
  #over = false;
  #ack: { message: SipRequest; flow: Promise<Flow> } | undefined;

  constructor(dependencies: EstablishedDependencies) {
    this.#dependencies = dependencies;
    this.dialog = dependencies.dialog;
  }

  /** Decides what becomes of a request of this call. */
  claim(incoming: IncomingRequest): Claim {
    const { identity, request } = incoming;
    const { dialog } = this;
    const foreign = identity.fromTag !== dialog.remoteTag || identity.toTag !== dialog.localTag;
    // §12.2.2; after a BYE only its repetitions belong to the call, and the transaction takes those.
    if (foreign || (this.#over && request.method !== 'BYE')) return { kind: 'refuse', status: 481 };
    if (dialog.remoteCseq !== undefined && identity.cseq <= dialog.remoteCseq) return { kind: 'refuse', status: 500 };
    const refusal = screen(request);
    if (refusal !== undefined) return refusal;
    return {
      kind: 'take',
      handle: (transaction) => {
        dialog.remoteCseq = identity.cseq;
        this.#handle(transaction);
      },
    };
  }

  /** An ACK of this dialog. */
  acknowledge({ request, identity }: IncomingRequest): void {
    if (identity.fromTag !== this.dialog.remoteTag || this.#answer === undefined) return;
    this.#answer.stop();
    this.#answer = undefined;
    if (this.#offered) this.#takeMedia(request.body.toString('utf8'));
    this.#offered = false;
    this.#dependencies.handlers.onAcknowledged();
  }

  /** §13.2.2.4: ACK of the INVITE with its credentials; the same one again for every repetition of the 2xx. */
  sendAck(invite: SipRequest, cseq: number): void {
    const { endpoint } = this.#dependencies;
    if (this.#ack === undefined) {
      const credentials = invite.headers.filter(
        ({ name }) => name === 'Authorization' || name === 'Proxy-Authorization',
      );
      const message = requestWithin(this.dialog, { method: 'ACK', cseq, headers: credentials });
      const flow = this.#nextFlow();
      this.#ack = { message, flow };
      void flow.then((way) => {
        if (this.#ack !== undefined) this.#ack.message = endpoint.sendOnce(way, message);
      });
      return;
    }
    const ack = this.#ack;
    void ack.flow.then((way) => endpoint.send(ack.message, way));
  }

  /** 200 to an INVITE, with our answer to its offer or our own offer; repeated until its ACK. */
  accept(transaction: ServerTransaction, headers: readonly SipHeader[] = []): void {
    const { endpoint, local, handlers } = this.#dependencies;
    const { request, flow } = transaction.incoming;
    const origin = this.#nextOrigin();
    this.#offered = request.body.length === 0;
    const description = this.#offered
      ? writeOffer(local, origin)
      : writeAnswer(request.body.toString('utf8'), local, origin);
    const response = transaction.respond({
      status: 200,
      toTag: this.dialog.localTag,
      headers: [...headers, this.#contact(), ALLOW, SDP_TYPE],
      body: Buffer.from(description),
    });
    if (response === undefined) return;
    this.#answer = new UnacknowledgedAnswer({
      response,
      flow,
      timers: endpoint.timers,
      send: (message, way) => endpoint.send(message, way),
      onGivenUp: () => handlers.onLost(),
    });
  }

  /** Ends the call (§15.1.1): it is over when the BYE is handed over. `settled` when nothing more will be sent. */
  bye(settled: () => void): void {
    this.stop();
    if (this.#over) {
      settled();
      return;
    }
    this.#over = true;
    this.#dependencies.credentials?.begin();
    void this.#nextFlow().then((flow) => this.#sendBye(flow, settled));
  }

  /** No timer of this call runs afterwards. */
  stop(): void {
    this.#answer?.stop();
    this.#answer = undefined;
  }

  #sendBye(flow: Flow, settled: () => void): void {
    const { endpoint, credentials } = this.#dependencies;
    const bye = requestWithin(this.dialog, { method: 'BYE' });
    const authorization = credentials?.headersFor('BYE', bye.uri) ?? [];
    const onResponse = (response: SipResponse): void => {
      if (response.status < 200) return;
      const asked = response.status === 401 || response.status === 407;
      if (asked && credentials?.take(response) === 'answered') this.#sendBye(flow, settled);
      else settled();
    };
    const request = { ...bye, headers: [...bye.headers, ...authorization] };
    endpoint.request(flow, request, { onResponse, onFailure: settled });
  }

  /** The flow to the next hop: the call's own where it leads there or the other one can't be had. */
  async #nextFlow(): Promise<Flow> {
    const { endpoint, flow, tls, connectTimeoutMs } = this.#dependencies;
    const hop = nextHop(this.dialog);
    const target = hop === undefined ? undefined : targetBeside(flow, hop, tls);
    if (target === undefined) return flow;
    try {
      return await endpoint.connect(target, connectTimeoutMs);
    } catch {
      return flow;
    }
  }

  #handle(transaction: ServerTransaction): void {
    const { request } = transaction.incoming;
    switch (request.method) {
      case 'INVITE':
        this.#onReinvite(transaction);
        return;
      case 'UPDATE':
        this.#onUpdate(transaction);
        return;
      case 'BYE': {
        const over = this.#over;
        this.#over = true;
        this.#respond(transaction, { status: 200 });
        this.stop();
        if (!over) this.#dependencies.handlers.onBye();
        return;
      }
      default:
        // OPTIONS, INFO, NOTIFY: taken note of (§11.2, RFC 6086 §4.2.2).
        this.#respond(transaction, { status: 200, headers: [ALLOW, NO_EXTENSIONS] });
    }
  }

  /** §14.2. */
  #onReinvite(transaction: ServerTransaction): void {
    if (this.#answer !== undefined) {
      // Our offer is still to be answered: glare; otherwise merely too early.
      if (this.#offered) this.#respond(transaction, { status: 491 });
      else this.#respond(transaction, { status: 500, headers: [{ name: 'Retry-After', value: RETRY_AFTER_S }] });
      return;
    }
    const { request } = transaction.incoming;
    const offer = request.body.toString('utf8');
    const read = request.body.length > 0 ? readMedia(offer) : undefined;
    if (read?.kind === 'unusable') {
      this.#respond(transaction, { status: 488 });
      return;
    }
    this.#refreshTarget(request);
    this.accept(transaction);
    if (read?.kind === 'media') this.#dependencies.handlers.onMediaChanged(read.media);
  }

  /** RFC 3311 §5.2. */
  #onUpdate(transaction: ServerTransaction): void {
    const { request } = transaction.incoming;
    if (request.body.length === 0) {
      this.#refreshTarget(request);
      this.#respond(transaction, { status: 200, headers: [this.#contact(), ALLOW] });
      return;
    }
    if (this.#offered) {
      this.#respond(transaction, { status: 491 });
      return;
    }
    const offer = request.body.toString('utf8');
    const read = readMedia(offer);
    if (read.kind === 'unusable') {
      this.#respond(transaction, { status: 488 });
      return;
    }
    this.#refreshTarget(request);
    const body = Buffer.from(writeAnswer(offer, this.#dependencies.local, this.#nextOrigin()));
    this.#respond(transaction, { status: 200, headers: [this.#contact(), ALLOW, SDP_TYPE], body });
    this.#dependencies.handlers.onMediaChanged(read.media);
  }

  #respond(transaction: ServerTransaction, answer: Omit<Answer, 'toTag'>): void {
    transaction.respond({ ...answer, toTag: this.dialog.localTag });
  }

  #takeMedia(description: string): void {
    const read = readMedia(description);
    if (read.kind === 'media') this.#dependencies.handlers.onMediaChanged(read.media);
  }

  /** §12.2.2: the target moves with a re-INVITE or UPDATE, the route set does not. */
  #refreshTarget(request: SipRequest): void {
    this.dialog.remoteTarget = contactOf(request) ?? this.dialog.remoteTarget;
  }

  #nextOrigin(): { id: number; version: number } {
    this.#dependencies.origin.version += 1;
    return this.#dependencies.origin;
  }

  #contact(): SipHeader {
    return contactHeader(this.#dependencies.flow, this.#dependencies.contactUser);
  }
}

/** Refuses what we do not support (§8.2.1, §8.2.2.3, §8.2.3), in a dialog or outside. */
export function screen(request: SipRequest): Claim | undefined {
  if (!ALLOWED_METHODS.split(', ').includes(request.method)) return { kind: 'refuse', status: 405, headers: [ALLOW] };
  const required = headerListOf(request, 'Require');
  if (required.length > 0) {
    return { kind: 'refuse', status: 420, headers: [{ name: 'Unsupported', value: required.join(', ') }] };
  }
  const carriesSdp = request.method === 'INVITE' || request.method === 'UPDATE';
  const type = headerOf(request, 'Content-Type')?.split(';')[0]?.trim().toLowerCase();
  if (carriesSdp && request.body.length > 0 && type !== 'application/sdp') {
    return { kind: 'refuse', status: 415, headers: [{ name: 'Accept', value: 'application/sdp' }] };
  }
  return undefined;
}

/** The answer to a request outside of every call that no more specific rule takes. */
export function claimStray({ request, identity }: IncomingRequest): Claim {
  // §12.2.2: it names a dialog that is not ours.
  if (identity.toTag !== '') return { kind: 'refuse', status: 481 };
  const refusal = screen(request);
  if (refusal !== undefined) return refusal;
  switch (request.method) {
    case 'OPTIONS':
      return { kind: 'refuse', status: 200, headers: [ALLOW, { name: 'Accept', value: 'application/sdp' }] };
    case 'INVITE':
      // Nobody here can be called.
      return { kind: 'refuse', status: 480 };
    default:
      return { kind: 'refuse', status: 481 };
  }
}
