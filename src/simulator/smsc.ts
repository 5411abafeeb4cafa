/**
 * The simulated operator: a real SMPP server that takes submits as the destination table says, sends receipts and
 * incoming messages, and after a kill goes on with what it owes. It never dials out and knows nothing of the platform.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { encodeSegments, measure } from '../gsm/segments.ts';
import { STATUS } from '../smpp/pdu.ts';
import { type BindRequest, type ServerSession, type SessionHandlers, SmppServer } from '../smpp/server.ts';
import { Deliveries } from './deliveries.ts';
import { DueQueue } from './due-queue.ts';
import { HandsetStore } from './handsets.ts';
import { Intake } from './intake.ts';
import { Journal } from './journal.ts';
import { arrivalLine, clearedLine, idsLine, messageLine, owedLine, parseLine } from './journal-lines.ts';
import { MessageIds } from './message-ids.ts';
import { internationalForm } from './phone-numbers.ts';
import { checkTuning, DEFAULT_TUNING, type Tuning } from './tuning.ts';

export interface SimulatedOperatorOptions extends Partial<Tuning> {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Where the journal lies; undefined keeps everything in memory. One operator a directory. */
  dataDir: string | undefined;
  systemId?: string;
  password?: string;
  clock: Clock;
  log: Logger;
}

export type ReplyResult = { kind: 'accepted'; segments: number } | { kind: 'too-long' } | { kind: 'busy' };

/** deliver_sm without a response, a receiver. */
const DELIVER_WINDOW = 1_000;
const RESPONSE_TIMEOUT_MS = 15_000;
const ENQUIRE_LINK_MS = 30_000;
const MAX_SESSIONS = 100;
const MAX_REPLY_SEGMENTS = 10;
/** What a rewritten journal keeps of the handsets. */
const KEPT_MESSAGES = 5_000;
const KEPT_UNFINISHED = 1_000;
const ESM_CLASS_UDHI = 0x40;
const TON_INTERNATIONAL = 1;
const TON_UNKNOWN = 0;
const NPI_ISDN = 1;

export class SimulatedOperator {
  readonly handsets = new HandsetStore();
  readonly #options: SimulatedOperatorOptions;
  readonly #log: Logger;
  readonly #journal: Journal;
  readonly #later: DueQueue;
  readonly #ids: MessageIds;
  readonly #deliveries: Deliveries;
  readonly #intake: Intake;
  readonly #server: SmppServer;
  readonly #sessions = new Set<ServerSession>();
  #tuning: Tuning;
  #replyReference = 0;
  #ready = false;

  constructor(options: SimulatedOperatorOptions) {
    const { clock, log, dataDir } = options;
    this.#options = options;
    this.#log = log;
    this.#tuning = DEFAULT_TUNING;
    this.set(options);
    const onFault = (error: unknown): void => log.error({ err: error }, 'simulated operator: fault');
    this.#later = new DueQueue({ clock, onFault });
    this.#journal = new Journal({ directory: dataDir, snapshot: () => this.#snapshot(), onFault });
    const shared = { clock, later: this.#later, journal: this.#journal };
    this.#ids = new MessageIds(shared);
    this.#deliveries = new Deliveries(shared);
    this.#intake = new Intake({
      ...shared,
      ids: this.#ids,
      handsets: this.handsets,
      deliveries: this.#deliveries,
      tuning: () => this.#tuning,
    });
    this.#server = new SmppServer({
      handlers: { onBind: (bind) => this.#judgeBind(bind), onSession: (session) => this.#adopt(session) },
      options: { window: DELIVER_WINDOW, responseTimeoutMs: RESPONSE_TIMEOUT_MS, enquireLinkMs: ENQUIRE_LINK_MS },
      systemId: 'feige-simulator',
    });
  }

  /**
   * Listens, then goes on with what the journal says is owed. Rejects when the port is taken or the journal unreadable.
   */
  async start(): Promise<{ port: number }> {
    // The port comes first: a process that does not get it must not touch the journal of the one that has it.
    const { port } = await this.#server.listen({ host: this.#options.host, port: this.#options.port });
    try {
      this.#restore();
    } catch (error) {
      await this.#server.close();
      throw error;
    }
    this.#ready = true;
    this.#log.info({ port, owed: this.#deliveries.size }, 'simulated operator listens');
    return { port };
  }

  /** Ends every session and writes what is left; receipts still owed go out after the next start. */
  async stop(): Promise<void> {
    this.#ready = false;
    this.#deliveries.stop();
    await this.#server.close();
    this.#later.stop();
    this.#journal.close();
    this.handsets.stop();
  }

  /** Changes what is given, from the next submit on. Throws a RangeError for a value that makes no sense. */
  set(changes: Partial<Tuning>): void {
    const { latencyMs, receiptDelayMs, throttlePerSecond, errorRate } = { ...this.#tuning, ...changes };
    this.#tuning = checkTuning({ latencyMs, receiptDelayMs, throttlePerSecond, errorRate });
  }

  /** Receipts and incoming messages not acknowledged yet. */
  get owed(): number {
    return this.#deliveries.size;
  }

  /** Bound sessions. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /**
   * A message from a handset to one of the platform's numbers. Resolves when it is in the journal.
   * @param reply.from as `handsetNumber` gives it
   */
  reply(reply: { from: string; to: string; text: string }): Promise<ReplyResult> {
    if (measure(reply.text).segments > MAX_REPLY_SEGMENTS) return Promise.resolve({ kind: 'too-long' });
    if (this.#deliveries.full) return Promise.resolve({ kind: 'busy' });
    this.#replyReference = (this.#replyReference + 1) % 256;
    const segments = encodeSegments(reply.text, {
      concatenation: 'udh',
      reference: this.#replyReference,
      defaultAlphabet: 'gsm7',
    });
    const source = { ton: TON_INTERNATIONAL, npi: NPI_ISDN, digits: internationalForm(reply.from) };
    const owed = segments.map((segment) =>
      this.#deliveries.record({
        dueMs: this.#options.clock.now(),
        source,
        destination: { ton: TON_UNKNOWN, npi: NPI_ISDN, digits: reply.to },
        content: {
          kind: 'incoming',
          dataCoding: segment.dataCoding,
          esmClass: segment.esmClassUdhi ? ESM_CLASS_UDHI : 0,
          body: segment.shortMessage,
        },
      }),
    );
    return new Promise((resolve) => {
      this.#journal.whenWritten((written) => {
        if (written) for (const one of owed) this.#deliveries.schedule(one);
        resolve(written ? { kind: 'accepted', segments: segments.length } : { kind: 'busy' });
      });
    });
  }

  /** Empties a handset, also for the next life. */
  clearHandset(number: string): Promise<void> {
    return new Promise((resolve) => {
      this.#journal.append(clearedLine(number));
      this.#journal.whenWritten(() => {
        this.handsets.clear(number);
        resolve();
      });
    });
  }

  #judgeBind(bind: BindRequest): number {
    if (!this.#ready || this.#sessions.size >= MAX_SESSIONS) return STATUS.ESME_RBINDFAIL;
    if (bind.systemId !== (this.#options.systemId ?? 'feige')) return STATUS.ESME_RINVSYSID;
    if (bind.password !== (this.#options.password ?? 'simulate')) return STATUS.ESME_RINVPASWD;
    return STATUS.ESME_ROK;
  }

  #adopt(session: ServerSession): SessionHandlers {
    this.#sessions.add(session);
    this.#log.info({ mode: session.mode, sessions: this.#sessions.size }, 'simulated operator: bound');
    // In a turn of its own: the session is complete only when this has returned.
    if (session.mode !== 'transmitter') setImmediate(() => this.#addReceiver(session));
    return {
      onSubmit: (message, _sequence, respond) => {
        this.#intake.submit({ message, respond, cut: () => session.destroy('simulated cut') });
      },
      onClose: (reason) => {
        this.#sessions.delete(session);
        this.#deliveries.removeReceiver(session);
        this.#log.info({ reason, sessions: this.#sessions.size }, 'simulated operator: unbound');
      },
      onFault: (error) => this.#log.error({ err: error }, 'simulated operator: session fault'),
    };
  }

  #addReceiver(session: ServerSession): void {
    if (this.#sessions.has(session)) this.#deliveries.addReceiver(session);
  }

  #restore(): void {
    let damaged = 0;
    this.#journal.open((line) => {
      const record = parseLine(line);
      if (record === undefined) damaged += 1;
      else if (record.kind === 'owed') this.#deliveries.restore(record.owed);
      else if (record.kind === 'struck') this.#deliveries.forget(record.key);
      else if (record.kind === 'ids') this.#ids.skipTo(record.below);
      else if (record.kind === 'arrival') this.handsets.receive(record.arrival);
      else if (record.kind === 'message') this.handsets.put(record.number, record.message);
      else this.handsets.clear(record.number);
    });
    if (damaged > 0) this.#log.warn({ damaged }, 'simulated operator: unreadable lines in the journal');
    this.#deliveries.resume();
  }

  *#snapshot(): Generator<string> {
    yield idsLine(this.#ids.reservedBelow);
    for (const owed of this.#deliveries.all()) yield owedLine(owed);
    for (const { number, message } of this.handsets.latest(KEPT_MESSAGES)) yield messageLine(number, message);
    for (const arrival of this.handsets.unfinished(KEPT_UNFINISHED)) yield arrivalLine(arrival);
  }
}
