/**
 * An SMPP operator on a real port that does what a test tells it, submit by submit, and sends whatever receipts and
 * incoming messages the test writes. It has no behaviour of its own.
 */
import { once } from 'node:events';
import { EventEmitter } from 'node:events';
import { formatReceiptText } from '../../src/smpp/receipt-text.ts';
import { type ShortMessageFields, messageBytes } from '../../src/smpp/pdu.ts';
import { type ServerSession, SmppServer } from '../../src/smpp/server.ts';
import type { SubmitResult } from '../../src/smpp/requests.ts';

export interface Submit {
  /** 1 for the first submit_sm this operator got. */
  readonly n: number;
  readonly mobile: string;
  /** 1 for the first session that was bound. */
  readonly session: number;
  readonly message: ShortMessageFields;
  /** Of a part with a user data header: reference, total, sequence. */
  readonly part: { reference: number; total: number; sequence: number } | undefined;
  readonly accept: (operatorMessageId: string) => void;
  readonly refuse: (status: number) => void;
  /** Cuts the connection without an answer. */
  readonly cut: () => void;
}

export interface ScriptedOperator {
  readonly port: number;
  readonly submits: readonly Submit[];
  /** The modes of the binds that came, in order. */
  readonly binds: readonly string[];
  /** Sessions bound now, and the most at once. */
  readonly sessions: { readonly bound: number; readonly most: number };
  /** Resolves with the receipt's answer: its command_status, or what happened instead. */
  receipt(receipt: {
    id: string;
    stat: string;
    from?: string;
    reference?: number;
    tlvs?: boolean;
  }): Promise<SubmitResult>;
  deliver(message: Partial<ShortMessageFields>): Promise<SubmitResult>;
  /** What query_sm is answered with from now on: a message_state (SMPP 3.4 §5.2.28), or nothing but a refusal. */
  answerQueries(messageState: number | undefined): void;
  readonly queries: readonly string[];
  stop(): Promise<void>;
}

const ESM_CLASS_RECEIPT = 4;
/** SMPP 3.4 §5.1.3. */
const ESME_RQUERYFAIL = 0x67;

export async function startScriptedOperator(
  script: (submit: Submit) => void,
  options: { tls?: { key: string; cert: string }; deliversOver?: 'submitter' | 'last-bind' } = {},
): Promise<ScriptedOperator> {
  const sessions = new Set<ServerSession>();
  const counts = { bound: 0, most: 0 };
  let sessionsSoFar = 0;
  const changed = new EventEmitter();
  const submits: Submit[] = [];
  const queries: string[] = [];
  const binds: string[] = [];
  let messageState: number | undefined;
  let lastSubmitter: ServerSession | undefined;
  const server = new SmppServer({
    handlers: {
      onBind: ({ mode }) => {
        binds.push(mode);
        return 0;
      },
      onSession: (session) => {
        sessions.add(session);
        sessionsSoFar += 1;
        const sessionNumber = sessionsSoFar;
        counts.bound = sessions.size;
        counts.most = Math.max(counts.most, sessions.size);
        setImmediate(() => changed.emit('session'));
        return {
          onSubmit: (message, _sequence, respond) => {
            const submit = toSubmit(submits.length + 1, message, { session, sessionNumber, respond });
            submits.push(submit);
            lastSubmitter = session;
            script(submit);
          },
          onQuery: (messageId, _source, respond) => {
            queries.push(messageId);
            respond(messageState === undefined ? { status: ESME_RQUERYFAIL } : { status: 0, messageState });
          },
          onClose: () => {
            sessions.delete(session);
            counts.bound = sessions.size;
          },
        };
      },
    },
    options: { window: 1_000, responseTimeoutMs: 10_000, enquireLinkMs: 30_000 },
  });
  const { port } = await server.listen({
    host: '127.0.0.1',
    port: 0,
    ...(options.tls ? { tls: options.tls } : {}),
  });
  const deliver = async (message: Partial<ShortMessageFields>): Promise<SubmitResult> => {
    if (sessions.size === 0) await once(changed, 'session');
    // A node that stands still submits nothing: it is not the one to tell.
    const talking =
      options.deliversOver !== 'last-bind' &&
      lastSubmitter &&
      sessions.has(lastSubmitter) &&
      lastSubmitter.mode === 'transceiver';
    const session = talking ? lastSubmitter : [...sessions].findLast(({ mode }) => mode !== 'transmitter');
    if (!session) throw new Error('nobody is bound');
    return new Promise((resolve) => session.deliver({ ...EMPTY, ...message }, resolve));
  };
  return {
    port,
    submits,
    binds,
    sessions: counts,
    queries,
    answerQueries: (state) => {
      messageState = state;
    },
    deliver,
    receipt: ({ id, stat, from = '886911222333', reference, tlvs = false }) =>
      deliver({
        esmClass: ESM_CLASS_RECEIPT,
        source: { ton: 1, npi: 1, digits: from },
        shortMessage: Buffer.from(
          formatReceiptText({ id, stat, submitDateMs: 0, doneDateMs: 0, utcOffsetMinutes: 480 }),
          'latin1',
        ),
        tlvs: {
          ...(reference === undefined ? {} : { userMessageReference: reference }),
          ...(tlvs ? { receiptedMessageId: id } : {}),
        },
      }),
    stop: () => server.close(),
  };
}

const EMPTY: ShortMessageFields = {
  serviceType: '',
  source: { ton: 1, npi: 1, digits: '886911222333' },
  destination: { ton: 0, npi: 1, digits: '12345' },
  esmClass: 0,
  protocolId: 0,
  priorityFlag: 0,
  scheduleDeliveryTime: '',
  validityPeriod: '',
  registeredDelivery: 0,
  replaceIfPresent: 0,
  dataCoding: 0,
  defaultMessageId: 0,
  shortMessage: Buffer.alloc(0),
  tlvs: {},
};

function toSubmit(
  n: number,
  message: ShortMessageFields,
  from: {
    session: ServerSession;
    sessionNumber: number;
    respond: (status: number, messageId?: string) => void;
  },
): Submit {
  const { session, respond } = from;
  const bytes = Buffer.from(messageBytes(message));
  const part =
    (message.esmClass & 0x40) === 0
      ? undefined
      : { reference: bytes[3] ?? 0, total: bytes[4] ?? 0, sequence: bytes[5] ?? 0 };
  return {
    n,
    mobile: message.destination.digits,
    session: from.sessionNumber,
    message: { ...message, shortMessage: bytes },
    part,
    accept: (operatorMessageId) => respond(0, operatorMessageId),
    refuse: (status) => respond(status),
    cut: () => session.destroy('the test cuts'),
  };
}
