/**
 * The life of one accepted connection on the SMSC's side: it waits for a bind, has it judged, and becomes a session.
 * Before that everything else is answered with ESME_RINVBNDSTS, and a peer that does not bind in time is disconnected.
 */
import type { Socket } from 'node:net';
import { type BindMode, type BindPdu, bindModeOf, INTERFACE_VERSION, isBindId } from './bind.ts';
import { Connection, DEFAULT_BIND_TIMEOUT_MS, type SessionOptions } from './connection.ts';
import { COMMAND, type Pdu, STATUS } from './pdu.ts';
import { ServerSession, type SessionHandlers, serve } from './server-session.ts';
import { TLV_TAG } from './tlv.ts';

export interface BindRequest {
  mode: BindMode;
  systemId: string;
  password: string;
  systemType: string;
}

export interface Peer {
  address: string;
  port: number;
}

export interface SmppServerHandlers {
  /** The command_status of the bind's answer; 0 accepts. */
  onBind(bind: BindRequest, peer: Peer): number | Promise<number>;
  /** After an accepted bind has been answered: what is sent from here on comes after that answer. */
  onSession(session: ServerSession): SessionHandlers;
  /** An exception thrown by these two handlers; without this one it is thrown again. */
  onFault?(error: unknown): void;
}

export interface SmppServerDependencies {
  handlers: SmppServerHandlers;
  /** For every session; `window` bounds unanswered deliveries, `bindTimeoutMs` the time until the bind. */
  options: SessionOptions;
  /** The server's own name in bind answers. */
  systemId?: string;
}

const DEFAULT_SYSTEM_ID = 'SMSC';

export class Reception {
  readonly connection: Connection;
  readonly #dependencies: SmppServerDependencies;
  readonly #peer: Peer;
  readonly #timer: NodeJS.Timeout;
  #judging = false;
  #bound: { connection: Connection; mode: BindMode; handlers: SessionHandlers } | undefined;

  constructor(socket: Socket, dependencies: SmppServerDependencies, onGone: (reception: Reception) => void) {
    const { options, handlers } = dependencies;
    this.#dependencies = dependencies;
    this.#peer = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    this.connection = new Connection({
      socket,
      options,
      handlers: {
        onRequest: (pdu) => this.#onRequest(pdu),
        onClose: (reason) => {
          clearTimeout(this.#timer);
          onGone(this);
          this.#bound?.handlers.onClose(reason);
        },
        onLateResponse: (...late) => this.#bound?.handlers.onLateResponse?.(...late),
        onFault: (error) => reportFault(error, this.#bound?.handlers ?? handlers),
      },
    });
    const timeoutMs = options.bindTimeoutMs ?? DEFAULT_BIND_TIMEOUT_MS;
    this.#timer = setTimeout(() => this.connection.end('no bind in time'), timeoutMs).unref();
  }

  #onRequest(pdu: Pdu): void {
    if (this.#bound !== undefined) {
      serve(this.#bound, pdu);
    } else if (!this.#judging && isBind(pdu)) {
      this.#judging = true;
      this.#judge(pdu);
    } else {
      this.connection.refuse(COMMAND[pdu.command], pdu.sequence, STATUS.ESME_RINVBNDSTS);
    }
  }

  #judge(pdu: BindPdu): void {
    const { handlers } = this.#dependencies;
    const { systemId, password, systemType } = pdu;
    const fail = (error: unknown): void => {
      this.#answer(pdu, STATUS.ESME_RSYSERR);
      reportFault(error, handlers);
    };
    try {
      const verdict = handlers.onBind({ mode: bindModeOf(pdu), systemId, password, systemType }, this.#peer);
      if (typeof verdict === 'number') this.#answer(pdu, verdict);
      else verdict.then((status) => this.#answer(pdu, status)).catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  #answer(pdu: BindPdu, status: number): void {
    const { connection } = this;
    if (connection.state !== 'open') return;
    const systemId = status === STATUS.ESME_ROK ? (this.#dependencies.systemId ?? DEFAULT_SYSTEM_ID) : '';
    const others = new Map([[TLV_TAG.sc_interface_version as number, Buffer.of(INTERFACE_VERSION)]]);
    connection.send({ command: `${pdu.command}_resp`, sequence: pdu.sequence, status, systemId, tlvs: { others } });
    clearTimeout(this.#timer);
    if (status !== STATUS.ESME_ROK) {
      connection.end('bind refused');
      return;
    }
    connection.markBound();
    const session = new ServerSession(connection, { mode: bindModeOf(pdu), systemId: pdu.systemId });
    try {
      const handlers = this.#dependencies.handlers.onSession(session);
      this.#bound = { connection, mode: session.mode, handlers };
    } catch (error) {
      connection.destroy('the session could not be set up');
      reportFault(error, this.#dependencies.handlers);
    }
  }
}

function isBind(pdu: Pdu): pdu is BindPdu {
  return isBindId(COMMAND[pdu.command]);
}

function reportFault(error: unknown, handlers: { onFault?(error: unknown): void }): void {
  if (handlers.onFault !== undefined) handlers.onFault(error);
  else
    queueMicrotask(() => {
      throw error;
    });
}
