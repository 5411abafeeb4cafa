/**
 * An operator that keeps nothing on disk and takes everything: an SMPP server that notes when each submit_sm came and
 * when its receipt was first sent, on the machine's own clock. Cheaper than the simulator, so that more of what is
 * measured is the platform.
 */
import { renderDelivery } from '../src/simulator/owed-delivery.ts';
import { type ShortMessageFields, STATUS } from '../src/smpp/pdu.ts';
import { type ServerSession, type SessionHandlers, SmppServer } from '../src/smpp/server.ts';
import { Instants, machineNowMs, recipientOf } from './instants.ts';

export const OPERATOR_CREDENTIALS = { systemId: 'bench', password: 'bench' };
/** From the answer to the receipt, as the simulator has it. */
const RECEIPT_AFTER_MS = 200;
/** A receipt that was refused or not answered goes out once more. */
const AGAIN_AFTER_MS = 1_000;
const DELIVER_WINDOW = 1_000;
const RESPONSE_TIMEOUT_MS = 15_000;
const ENQUIRE_LINK_MS = 30_000;

interface Taken {
  readonly id: number;
  readonly message: ShortMessageFields;
}

export class BenchOperator {
  readonly submitted = new Instants();
  readonly receipts = new Instants();
  readonly #server: SmppServer;
  readonly #sessions = new Set<ServerSession>();
  readonly #onReceipt: (number: number) => void;
  /** Receipts that no session has room for. */
  #waiting: Taken[] = [];
  #taken = 0;
  #binds = 0;
  #repeated = 0;
  #turn = 0;

  /** @param options.onReceipt called with the recipient's number when its receipt is sent for the first time */
  constructor(options: { onReceipt: (number: number) => void }) {
    this.#onReceipt = options.onReceipt;
    this.#server = new SmppServer({
      handlers: {
        onBind: ({ systemId, password }) =>
          systemId === OPERATOR_CREDENTIALS.systemId && password === OPERATOR_CREDENTIALS.password
            ? STATUS.ESME_ROK
            : STATUS.ESME_RINVPASWD,
        onSession: (session) => this.#adopt(session),
      },
      options: { window: DELIVER_WINDOW, responseTimeoutMs: RESPONSE_TIMEOUT_MS, enquireLinkMs: ENQUIRE_LINK_MS },
      systemId: 'feige-bench',
    });
  }

  /** Messages taken so far. */
  get taken(): number {
    return this.#taken;
  }

  /** Sessions that were ever bound. */
  get binds(): number {
    return this.#binds;
  }

  /** Recipients that were sent a message for the second time, among those whose instants are kept. */
  get repeated(): number {
    return this.#repeated;
  }

  listen(): Promise<{ port: number }> {
    return this.#server.listen({ host: '127.0.0.1', port: 0 });
  }

  #adopt(session: ServerSession): SessionHandlers {
    this.#sessions.add(session);
    this.#binds++;
    return {
      onSubmit: (message, _sequence, respond) => this.#take(message, respond),
      onClose: () => this.#sessions.delete(session),
    };
  }

  #take(message: ShortMessageFields, respond: (status: number, messageId?: string) => void): void {
    if (!this.submitted.note(recipientOf(message.destination.digits), machineNowMs())) this.#repeated++;
    this.#taken++;
    const taken = { id: this.#taken, message };
    respond(STATUS.ESME_ROK, String(taken.id));
    setTimeout(() => this.#send(taken), RECEIPT_AFTER_MS);
  }

  #send(taken: Taken): void {
    const session = this.#freeSession();
    if (session === undefined) {
      this.#waiting.push(taken);
      return;
    }
    const { message, id } = taken;
    const number = recipientOf(message.destination.digits);
    if (this.receipts.note(number, machineNowMs())) this.#onReceipt(number);
    session.deliver(receiptOf(id, message), (result) => {
      const isTaken = result.kind === 'response' && result.status === STATUS.ESME_ROK;
      if (!isTaken) setTimeout(() => this.#send(taken), AGAIN_AFTER_MS);
      const next = this.#waiting.shift();
      if (next !== undefined) this.#send(next);
    });
  }

  #freeSession(): ServerSession | undefined {
    const sessions = [...this.#sessions];
    for (let step = 0; step < sessions.length; step++) {
      const session = sessions[this.#turn++ % sessions.length];
      if (session !== undefined && session.freeWindow() > 0) return session;
    }
    return undefined;
  }
}

function receiptOf(id: number, message: ShortMessageFields): ShortMessageFields {
  const doneMs = performance.timeOrigin + performance.now();
  return renderDelivery({
    key: id,
    dueMs: doneMs,
    source: message.destination,
    destination: message.source,
    content: {
      kind: 'receipt',
      messageId: String(id),
      outcome: 'DELIVRD',
      submittedMs: doneMs,
      doneMs,
      withTlvs: true,
      userMessageReference: message.tlvs.userMessageReference,
      copies: 1,
      reversed: false,
    },
  });
}
