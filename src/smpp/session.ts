/**
 * The ESME's side of SMPP 3.4: connects, binds, submits, takes deliveries. Makes one attempt and keeps one session;
 * when to try again is the caller's decision. It knows addresses and bytes, nothing of what a message is for.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { socketFault, type TlsTrust, tlsClientOptions } from '../base/tls-client.ts';
import { type BindMode, type BindPdu, INTERFACE_VERSION } from './bind.ts';
import { Connection, DEFAULT_BIND_TIMEOUT_MS, type SessionOptions, type SessionState } from './connection.ts';
import { type Address, COMMAND, type MessagePdu, type Pdu, STATUS, type ShortMessageFields } from './pdu.ts';
import type { Outcome } from './pending-requests.ts';
import { type QueryResult, type SubmitResult, sendMessage, sendQuery } from './requests.ts';

export type { BindMode } from './bind.ts';
export type { SessionOptions, SessionState } from './connection.ts';
export type { QueryResult, SubmitResult } from './requests.ts';

export interface ClientHandlers {
  /** A deliver_sm or data_sm; `respond` once with a command_status. Unanswered ones past 1,000 stop the reading. */
  onDeliver(pdu: MessagePdu, respond: (status: number) => void): void;
  /** Once per bound session, after every pending request got its result. */
  onClose(reason: string): void;
  /** The response to a submit that was reported as unknown by time-out. */
  onLateResponse?(sequence: number, status: number, messageId: string): void;
  /** An exception thrown by one of these handlers or a result callback; the session goes on. */
  onFault?(error: unknown): void;
}

export interface ConnectTarget {
  host: string;
  port: number;
  tls?: TlsTrust;
  bind: { mode: BindMode; systemId: string; password: string; systemType?: string; addressRange?: string };
  options: SessionOptions;
  handlers: ClientHandlers;
  /** Gives the attempt up; without effect once bound. */
  signal?: AbortSignal;
}

export type ConnectResult =
  | { kind: 'bound'; session: Session }
  /** The peer answered the bind with this command_status. */
  | { kind: 'refused'; status: number }
  /** No connection, no TLS, no answer in time. */
  | { kind: 'failed'; reason: string };

export class Session {
  readonly mode: BindMode;
  /** As the peer's bind response gave it; may be empty. */
  readonly peerSystemId: string;
  readonly #connection: Connection;

  constructor(connection: Connection, mode: BindMode, peerSystemId: string) {
    this.#connection = connection;
    this.mode = mode;
    this.peerSystemId = peerSystemId;
  }

  get state(): SessionState {
    return this.#connection.state;
  }

  /** submit_sm. From a receiver: not-sent, closed. A RangeError, and no result, for what no PDU can carry. */
  submit(message: ShortMessageFields, onResult: (result: SubmitResult) => void): void {
    if (this.mode === 'receiver') onResult({ kind: 'not-sent', reason: 'closed' });
    else sendMessage(this.#connection, 'submit_sm', message, onResult);
  }

  /** Requests that can be sent now; 0 while the peer does not drain, and always for a receiver. */
  freeWindow(): number {
    return this.mode === 'receiver' ? 0 : this.#connection.freeWindow();
  }

  query(messageId: string, source: Address, onResult: (result: QueryResult) => void): void {
    if (this.mode === 'receiver') onResult({ kind: 'not-sent', reason: 'closed' });
    else sendQuery(this.#connection, messageId, source, onResult);
  }

  /** One enquire_link (§4.11) out of turn: the milliseconds until its response, undefined when none came in time. */
  enquireLink(): Promise<number | undefined> {
    if (this.#connection.obstacle() !== undefined) return Promise.resolve(undefined);
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const sentAtMs = performance.now();
    const pdu: Pdu = { command: 'enquire_link', sequence: this.#connection.nextSequence(), status: STATUS.ESME_ROK };
    this.#connection.request(pdu, 'enquire_link_resp', (outcome) =>
      resolve(outcome.kind === 'response' ? performance.now() - sentAtMs : undefined),
    );
    return promise;
  }

  /** Takes no more requests, waits at most 5 s for what is in flight, unbinds, and resolves when the socket is gone. */
  close(reason: string): Promise<void> {
    return this.#connection.close(reason);
  }

  destroy(reason: string): void {
    this.#connection.destroy(reason);
  }
}

/** One attempt to connect and bind, within `bindTimeoutMs`. Never rejects. */
export function connectSession(target: ConnectTarget): Promise<ConnectResult> {
  const { options, handlers, signal, bind } = target;
  const { promise, resolve } = Promise.withResolvers<ConnectResult>();
  let bound = false;
  let socket: Socket;
  try {
    socket = openSocket(target);
  } catch (error) {
    // Node throws at a host that no look-up could take; that is this attempt's failure, not the caller's.
    return Promise.resolve({ kind: 'failed', reason: socketFault(error) });
  }
  const connection: Connection = new Connection({
    socket,
    options,
    handlers: {
      onRequest: (pdu) => onRequest(connection, handlers, pdu),
      onClose: (reason) => (bound ? handlers.onClose(reason) : finish({ kind: 'failed', reason })),
      onLateResponse: handlers.onLateResponse?.bind(handlers),
      onFault: handlers.onFault?.bind(handlers),
    },
  });
  const timer = setTimeout(
    () => connection.destroy('bind timed out'),
    options.bindTimeoutMs ?? DEFAULT_BIND_TIMEOUT_MS,
  ).unref();
  const abort = (): void => connection.destroy('given up');
  function finish(result: ConnectResult): void {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    resolve(result);
  }
  function onBindOutcome(outcome: Outcome): void {
    // Without a response the connection is closing, and onClose says why.
    if (outcome.kind !== 'response') return;
    if (outcome.pdu.status !== STATUS.ESME_ROK || outcome.pdu.command === 'generic_nack') {
      finish({ kind: 'refused', status: outcome.pdu.status });
      connection.destroy('bind refused');
    } else {
      bound = true;
      connection.markBound();
      const peerSystemId = 'systemId' in outcome.pdu ? outcome.pdu.systemId : '';
      finish({ kind: 'bound', session: new Session(connection, bind.mode, peerSystemId) });
    }
  }
  socket.once(target.tls === undefined ? 'connect' : 'secureConnect', () => {
    const pdu = bindPdu(bind, connection.nextSequence());
    connection.bind(pdu, onBindOutcome);
  });
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort);
  return promise;
}

function openSocket({ host, port, tls }: ConnectTarget): Socket {
  return tls === undefined
    ? connect({ host, port, noDelay: true })
    : connectTls({ host, port, ...tlsClientOptions(host, tls) });
}

function bindPdu(bind: ConnectTarget['bind'], sequence: number): BindPdu {
  return {
    command: `bind_${bind.mode}`,
    sequence,
    status: STATUS.ESME_ROK,
    systemId: bind.systemId,
    password: bind.password,
    systemType: bind.systemType ?? '',
    interfaceVersion: INTERFACE_VERSION,
    addrTon: 0,
    addrNpi: 0,
    addressRange: bind.addressRange ?? '',
  };
}

function onRequest(connection: Connection, handlers: ClientHandlers, pdu: Pdu): void {
  if (connection.state === 'open') {
    if (pdu.command === 'enquire_link') {
      connection.send({ command: 'enquire_link_resp', sequence: pdu.sequence, status: STATUS.ESME_ROK });
    } else if (pdu.command !== 'outbind') {
      connection.refuse(COMMAND[pdu.command], pdu.sequence, STATUS.ESME_RINVBNDSTS);
    }
  } else if (pdu.command === 'deliver_sm' || pdu.command === 'data_sm') {
    deliver(connection, handlers, pdu);
  } else {
    connection.refuse(COMMAND[pdu.command], pdu.sequence, STATUS.ESME_RINVCMDID);
  }
}

function deliver(connection: Connection, handlers: ClientHandlers, pdu: MessagePdu): void {
  const { sequence } = pdu;
  const command = pdu.command === 'data_sm' ? 'data_sm_resp' : 'deliver_sm_resp';
  let answered = false;
  const respond = (status: number): void => {
    if (answered) return;
    answered = true;
    connection.answer({ command, sequence, status, messageId: '' });
  };
  connection.takeRequest();
  try {
    handlers.onDeliver(pdu, respond);
  } catch (error) {
    respond(STATUS.ESME_RX_T_APPN);
    throw error;
  }
}
