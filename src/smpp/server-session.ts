/**
 * One bound session on the SMSC's side: hands submits and queries to its handlers, sends deliveries. Refuses what the
 * bind's mode does not allow (SMPP 3.4 table 2-1): a transmitter is sent nothing, a receiver may submit nothing.
 */
import type { BindMode } from './bind.ts';
import type { Connection } from './connection.ts';
import { type Address, COMMAND, type MessagePdu, type Pdu, type ShortMessageFields, STATUS } from './pdu.ts';
import type { QueryPdu } from './query.ts';
import { type SubmitResult, sendMessage } from './requests.ts';

export interface QueryAnswer {
  /** command_status. */
  status: number;
  /** Absolute SMPP time; empty unless told. */
  finalDate?: string;
  /** §5.2.28; 0 unless told. */
  messageState?: number;
  errorCode?: number;
}

export interface SessionHandlers {
  /** A submit_sm or data_sm; `respond` once. Unanswered ones past 1,000 stop the reading. */
  onSubmit(message: ShortMessageFields, sequence: number, respond: (status: number, messageId?: string) => void): void;
  /** Without it query_sm is refused with ESME_RINVCMDID. */
  onQuery?(messageId: string, source: Address, respond: (answer: QueryAnswer) => void): void;
  /** Once, after every pending delivery got its result. */
  onClose(reason: string): void;
  /** The response to a delivery that was reported as unknown by time-out. */
  onLateResponse?(sequence: number, status: number, messageId: string): void;
  /** An exception thrown by these handlers or a result callback; the session goes on. */
  onFault?(error: unknown): void;
}

export class ServerSession {
  readonly mode: BindMode;
  readonly systemId: string;
  readonly #connection: Connection;

  constructor(connection: Connection, bind: { mode: BindMode; systemId: string }) {
    this.#connection = connection;
    this.mode = bind.mode;
    this.systemId = bind.systemId;
  }

  /** deliver_sm. To a transmitter: not-sent, closed. Throws a RangeError for what no PDU can carry. */
  deliver(message: ShortMessageFields, onResult: (result: SubmitResult) => void): void {
    this.#send('deliver_sm', message, onResult);
  }

  /** The same by data_sm. */
  dataSm(message: ShortMessageFields, onResult: (result: SubmitResult) => void): void {
    this.#send('data_sm', message, onResult);
  }

  /** Deliveries that can be sent now; always 0 to a transmitter. */
  freeWindow(): number {
    return this.mode === 'transmitter' ? 0 : this.#connection.freeWindow();
  }

  destroy(reason: string): void {
    this.#connection.destroy(reason);
  }

  /** Sends nothing new, waits at most 5 s for what is in flight, unbinds, and resolves when the socket is gone. */
  close(reason: string): Promise<void> {
    return this.#connection.close(reason);
  }

  /** Sends any bytes at all, in order with the PDUs: to play a faulty peer. */
  sendRaw(bytes: Uint8Array): void {
    this.#connection.sendRaw(bytes);
  }

  #send(
    command: 'deliver_sm' | 'data_sm',
    message: ShortMessageFields,
    onResult: (result: SubmitResult) => void,
  ): void {
    if (this.mode === 'transmitter') onResult({ kind: 'not-sent', reason: 'closed' });
    else sendMessage(this.#connection, command, message, onResult);
  }
}

/** Gives one request of the peer to its handler, or refuses it. */
export function serve(
  { connection, mode, handlers }: { connection: Connection; mode: BindMode; handlers: SessionHandlers },
  pdu: Pdu,
): void {
  if (pdu.command === 'submit_sm' || pdu.command === 'data_sm') {
    if (mode === 'receiver') connection.refuse(COMMAND[pdu.command], pdu.sequence, STATUS.ESME_RINVBNDSTS);
    else serveSubmit(connection, handlers, pdu);
  } else if (pdu.command === 'query_sm' && handlers.onQuery !== undefined) {
    serveQuery(connection, handlers.onQuery.bind(handlers), pdu);
  } else {
    const isBind = pdu.command.startsWith('bind_');
    connection.refuse(COMMAND[pdu.command], pdu.sequence, isBind ? STATUS.ESME_RALYBND : STATUS.ESME_RINVCMDID);
  }
}

function serveSubmit(connection: Connection, handlers: SessionHandlers, pdu: MessagePdu): void {
  const { sequence } = pdu;
  const command = pdu.command === 'data_sm' ? 'data_sm_resp' : 'submit_sm_resp';
  let answered = false;
  const respond = (status: number, messageId = ''): void => {
    if (answered) return;
    answered = true;
    connection.answer({ command, sequence, status, messageId });
  };
  connection.takeRequest();
  try {
    handlers.onSubmit(pdu.message, sequence, respond);
  } catch (error) {
    respond(STATUS.ESME_RSYSERR);
    throw error;
  }
}

function serveQuery(
  connection: Connection,
  onQuery: NonNullable<SessionHandlers['onQuery']>,
  { sequence, messageId, source }: QueryPdu,
): void {
  let answered = false;
  const respond = (answer: QueryAnswer): void => {
    if (answered) return;
    answered = true;
    const { status, finalDate = '', messageState = 0, errorCode = 0 } = answer;
    connection.answer({
      command: 'query_sm_resp',
      sequence,
      status,
      messageId,
      finalDate,
      messageState,
      errorCode,
    });
  };
  connection.takeRequest();
  try {
    onQuery(messageId, source, respond);
  } catch (error) {
    respond({ status: STATUS.ESME_RSYSERR });
    throw error;
  }
}
