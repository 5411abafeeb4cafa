/**
 * A SIP element (RFC 3261 §18, §17): sockets below, transactions inside, dialogs above. Bytes become messages here
 * and find their transaction; what starts something new is offered to the owner, which takes it or has it refused
 * without keeping any state. A bad message affects nothing but itself.
 */
import type { Logger } from '../base/log.ts';
import {
  type ClientHandlers,
  type ClientTransaction,
  InviteClientTransaction,
  PlainClientTransaction,
} from './client-transaction.ts';
import { type Flow, type FlowTarget, viaTransport } from './flow.ts';
import {
  BRANCH_COOKIE,
  DEFAULT_PORT,
  hostPort,
  identify,
  type MessageIdentity,
  newBranch,
  parseVia,
} from './header-values.ts';
import {
  headerLinesOf,
  parseMessage,
  serialiseMessage,
  type SipHeader,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from './message.ts';
import { type IncomingRequest, responseTo, ServerTransaction } from './server-transaction.ts';
import { DEFAULT_TIMERS, type SipTimers, transactionTimeoutMs } from './timers.ts';
import { type Bind, type BoundPorts, SipTransport } from './transport.ts';

/** What the owner makes of a request that starts something new. */
export type Claim =
  | { kind: 'take'; handle(transaction: ServerTransaction): void }
  /** Answered at once, nothing remembered (§8.2.7): strangers can't fill our memory. */
  | { kind: 'refuse'; status: number; headers?: readonly SipHeader[] };

export interface EndpointHandlers {
  /** Every new request but ACK and CANCEL. */
  onRequest(incoming: IncomingRequest): Claim;
  /** An ACK that belongs to no refused INVITE: of a 2xx. */
  onAck(incoming: IncomingRequest): void;
  /** Every message in both directions, repetitions included. */
  onTraffic(direction: 'sent' | 'received', message: SipMessage): void;
}

export interface EndpointDependencies {
  bind: Bind;
  /** What Via and Contact say instead of the address bound. */
  publicAddress?: string | undefined;
  timers?: SipTimers | undefined;
  log: Logger;
  handlers: EndpointHandlers;
}

const MAX_CLIENT_TRANSACTIONS = 100_000;
const MAX_SERVER_TRANSACTIONS = 100_000;
const STATELESS_TAG = 'unknown';
const USER_AGENT = 'Feige';

export class SipEndpoint {
  readonly timers: SipTimers;
  readonly #dependencies: EndpointDependencies;
  readonly #transport: SipTransport;
  readonly #clients = new Map<string, ClientTransaction>();
  readonly #servers = new Map<string, ServerTransaction>();

  constructor(dependencies: EndpointDependencies) {
    this.#dependencies = dependencies;
    this.timers = dependencies.timers ?? DEFAULT_TIMERS;
    this.#transport = new SipTransport({
      bind: dependencies.bind,
      publicAddress: dependencies.publicAddress,
      log: dependencies.log,
      handlers: {
        onBytes: (bytes, flow) => this.#onBytes(bytes, flow),
        onClosed: (flow, reason) => this.#onClosed(flow, reason),
      },
    });
  }

  start(): Promise<BoundPorts> {
    return this.#transport.start();
  }

  /** Forgets all transactions without a word and closes all sockets. */
  async stop(): Promise<void> {
    for (const transaction of [...this.#clients.values(), ...this.#servers.values()]) transaction.stop();
    await this.#transport.stop();
  }

  /** Rejects when the target can't be reached within the time. */
  connect(target: FlowTarget, timeoutMs: number): Promise<Flow> {
    return this.#transport.connect(target, timeoutMs);
  }

  /**
   * Starts a client transaction for a request without Via.
   * @param timeoutMs timer B or F, 64·T1 unless told
   */
  request(flow: Flow, request: SipRequest, handlers: ClientHandlers, timeoutMs?: number): ClientTransaction {
    return this.#begin(flow, withVia(flow, request), handlers, timeoutMs);
  }

  /** A CANCEL, which carries its INVITE's Via (§9.1). */
  cancel(flow: Flow, request: SipRequest, handlers: ClientHandlers): ClientTransaction {
    return this.#begin(flow, request, handlers, undefined);
  }

  /** Outside of any transaction: the ACK of a 2xx (§13.2.2.4). Returns the message as sent, to be sent again. */
  sendOnce(flow: Flow, request: SipRequest): SipRequest {
    const sent = withVia(flow, request);
    this.send(sent, flow);
    return sent;
  }

  send(message: SipMessage, flow: Flow, failed: (reason: string) => void = () => undefined): void {
    this.#guard(() => this.#dependencies.handlers.onTraffic('sent', message));
    flow.send(serialiseMessage(message), failed);
  }

  #begin(flow: Flow, request: SipRequest, handlers: ClientHandlers, timeoutMs: number | undefined): ClientTransaction {
    const key = clientKey(
      parseVia(headerLinesOf(request, 'Via')[0] ?? '')?.parameters.get('branch') ?? '',
      request.method,
    );
    const Transaction = request.method === 'INVITE' ? InviteClientTransaction : PlainClientTransaction;
    const transaction = new Transaction({
      request,
      flow,
      timers: this.timers,
      timeoutMs: timeoutMs ?? transactionTimeoutMs(this.timers),
      send: (message, way, failed) => this.send(message, way, failed),
      handlers,
      onTerminated: () => this.#clients.delete(key),
    });
    if (this.#clients.size >= MAX_CLIENT_TRANSACTIONS) {
      queueMicrotask(() => transaction.fail('too many transactions'));
      return transaction;
    }
    this.#clients.set(key, transaction);
    transaction.start();
    return transaction;
  }

  #onBytes(bytes: Buffer, flow: Flow): void {
    const parsed = parseMessage(bytes);
    if (parsed.kind === 'keep-alive') return;
    const identity = parsed.kind === 'message' ? identify(parsed.message) : undefined;
    if (parsed.kind === 'malformed' || identity === undefined) {
      const reason = parsed.kind === 'malformed' ? parsed.reason : 'a mandatory header is missing';
      this.#dependencies.log.debug({ reason, from: flow.remote.address }, 'SIP message dropped');
      return;
    }
    const { message } = parsed;
    this.#guard(() => this.#dependencies.handlers.onTraffic('received', message));
    this.#guard(() => {
      if (message.kind === 'response') this.#onResponse(message, identity);
      else this.#onRequest(stamped(message, identity, flow));
    });
  }

  /** §17.1.3; what matches nothing is dropped (§18.1.2, we are no proxy). */
  #onResponse(response: SipResponse, identity: MessageIdentity): void {
    this.#clients.get(clientKey(identity.branch, identity.method))?.receive(response);
  }

  #onRequest(incoming: IncomingRequest): void {
    const { request, identity, flow } = incoming;
    const known = this.#servers.get(serverKey(identity, request.method));
    if (request.method === 'ACK') {
      if (known?.refused) known.receiveAck();
      else this.#dependencies.handlers.onAck(incoming);
      return;
    }
    if (known !== undefined) {
      known.receiveAgain();
      return;
    }
    if (request.method === 'CANCEL') {
      this.#onCancel(incoming);
      return;
    }
    const claim = this.#dependencies.handlers.onRequest(incoming);
    if (claim.kind === 'refuse') {
      const { status, headers = [] } = claim;
      this.send(responseTo(incoming, { status, headers, toTag: STATELESS_TAG }), flow);
      return;
    }
    const transaction = this.#serve(incoming);
    if (transaction !== undefined) claim.handle(transaction);
  }

  /** §9.2: the CANCEL itself is answered 200, or 481 when it comes for nothing. */
  #onCancel(incoming: IncomingRequest): void {
    const invite = this.#servers.get(serverKey(incoming.identity, 'INVITE'));
    if (invite === undefined) {
      this.send(responseTo(incoming, { status: 481, toTag: STATELESS_TAG }), incoming.flow);
      return;
    }
    this.#serve(incoming)?.respond({ status: 200, toTag: invite.toTag ?? STATELESS_TAG });
    if (invite.pending) invite.onCancel?.();
  }

  #serve(incoming: IncomingRequest): ServerTransaction | undefined {
    // The peer repeats what is dropped here.
    if (this.#servers.size >= MAX_SERVER_TRANSACTIONS) return undefined;
    const key = serverKey(incoming.identity, incoming.request.method);
    const transaction = new ServerTransaction({
      incoming,
      timers: this.timers,
      send: (response, flow) => this.send(response, flow),
      onTerminated: () => this.#servers.delete(key),
    });
    this.#servers.set(key, transaction);
    return transaction;
  }

  #onClosed(flow: Flow, reason: string): void {
    for (const transaction of this.#clients.values()) {
      if (transaction.flow === flow) this.#guard(() => transaction.fail(reason));
    }
  }

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#dependencies.log.error({ err: error }, 'SIP message failed in a handler');
    }
  }
}

/** §17.1.3: a CANCEL shares its INVITE's branch. */
function clientKey(branch: string, method: string): string {
  return `${method} ${branch}`;
}

/** §17.2.3, with the older rule for peers whose branches lack the cookie. */
function serverKey(identity: MessageIdentity, method: string): string {
  const { via, branch, callId, fromTag, cseq } = identity;
  const name = method === 'ACK' ? 'INVITE' : method;
  const sentBy = hostPort(via.host, via.port).toLowerCase();
  if (branch.startsWith(BRANCH_COOKIE)) return `${name} ${branch} ${sentBy}`;
  return `${name} ${callId} ${fromTag} ${cseq} ${sentBy}`;
}

/** §8.1.1.7, with `rport` (RFC 3581 §3): answers come back to the port they were asked from. */
function withVia(flow: Flow, request: SipRequest): SipRequest {
  const { address, port } = flow.local;
  const via = `SIP/2.0/${viaTransport(flow)} ${hostPort(address, port)};branch=${newBranch()};rport`;
  return {
    ...request,
    headers: [{ name: 'Via', value: via }, ...request.headers, { name: 'User-Agent', value: USER_AGENT }],
  };
}

/** Notes in the topmost Via where the request came from (§18.2.1, RFC 3581 §4). The way back is where it came from. */
function stamped(request: SipRequest, identity: MessageIdentity, flow: Flow): IncomingRequest {
  const { via } = identity;
  const { address, port } = flow.remote;
  const wantsPort = via.parameters.get('rport') === '';
  const marks = [
    via.host === address && !wantsPort ? '' : `;received=${address}`,
    wantsPort ? `;rport=${port}` : '',
  ].join('');
  const first = request.headers.findIndex(({ name }) => name === 'Via');
  const headers = request.headers.map((header, index) => {
    if (index !== first) return header;
    // If a line holds several, the first ends at the first comma; in practice a Via holds no quotes.
    const [top = '', ...others] = header.value.split(',');
    const marked = top.trim().replace(/;\s*(rport|received=[^;]*)(?=;|$)/gi, '') + marks;
    return { name: header.name, value: [marked, ...others].join(',') };
  });
  return {
    request: { ...request, headers },
    identity,
    flow: flow.reliable || wantsPort ? flow : wayBack(flow, via.port),
  };
}

/** §18.2.2: without rport the answer goes to the address it came from and the port that Via names. */
function wayBack(flow: Flow, viaPort: number | undefined): Flow {
  const port = viaPort ?? DEFAULT_PORT;
  return port === flow.remote.port ? flow : flow.towards(port);
}
