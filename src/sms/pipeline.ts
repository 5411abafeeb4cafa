/**
 * Builds the SMS stages, each with what it needs and nothing more: they meet only in rows of the database. It starts
 * them from the far end, so that nothing is queued before someone looks there, and stops them from the near end.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { receiptLikeness } from '../smpp/receipt-text.ts';
import { type MessagePdu, STATUS } from '../smpp/pdu.ts';
import type { Database } from '../store/database.ts';
import type { EpochHolder } from '../store/node-lease.ts';
import type { CallbackHolder } from '../store/outbox.ts';
import type { SettledRow } from '../store/settlement.ts';
import { Acceptance } from './accept.ts';
import { AskOperator } from './ask-operator.ts';
import { Dispatch } from './dispatch.ts';
import { Incoming } from './incoming.ts';
import { IncomingQuery } from './incoming-query.ts';
import { LateResponses } from './late-response.ts';
import { OperatorDirectory } from './operator-directory.ts';
import { OutcomeRecorder } from './outcome.ts';
import { Overdue } from './overdue.ts';
import { parseReceipt } from './parse-receipt.ts';
import { MessageQuery } from './query.ts';
import { ReceiptIntake } from './receipt.ts';
import { Reroute } from './reroute.ts';
import { Schedule } from './schedule.ts';
import { Screening } from './screening.ts';
import { TakeOver } from './take-over.ts';

/** Outcomes that the database has not taken by then are left for the node that takes over. */
const RECORD_PATIENCE_MS = 6_000;

/** What others want to know of the stages: counted by the metrics, or a hint for the callbacks. */
export interface SmsHooks {
  readonly batch: (stage: 'accept' | 'submit' | 'receipt', rows: number) => void;
  readonly submitted: (operator: string, result: string) => void;
  readonly received: (operator: string, state: string) => void;
  readonly settled: (rows: readonly SettledRow[]) => void;
  readonly unresolved: (messages: number) => void;
  /** A callback may be owed now. */
  readonly callbackOwed: () => void;
  /** Who takes callbacks that are claimed from the start; undefined: nobody right now. */
  readonly callbackHolder: () => CallbackHolder | undefined;
}

export interface SmsOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly lease: EpochHolder;
  readonly log: Logger;
  readonly acceptLingerMs: number;
  readonly receiptGraceMs: number;
  readonly refundUndelivered: boolean;
  readonly hooks: SmsHooks;
}

export class SmsPipeline {
  readonly acceptance: Acceptance;
  readonly messages: MessageQuery;
  readonly incomingQuery: IncomingQuery;
  readonly directory: OperatorDirectory;
  readonly #options: SmsOptions;
  readonly #screening: Screening;
  readonly #recorder: OutcomeRecorder;
  readonly #receipts: ReceiptIntake;
  readonly #incoming: Incoming;
  readonly #dispatch: Dispatch;
  readonly #lateResponses: LateResponses;
  readonly #overdue: Overdue;
  readonly #schedule: Schedule;
  readonly #takeOver: TakeOver;
  readonly #reroute: Reroute;

  constructor(options: SmsOptions) {
    const { database, clock, lease, log, hooks, refundUndelivered, receiptGraceMs } = options;
    this.#options = options;
    const shared = { database, clock, log };
    const onSettled = (rows: readonly SettledRow[], owed?: number): void => {
      hooks.settled(rows);
      if (owed !== 0) hooks.callbackOwed();
    };
    const onQueued = (operatorIds?: ReadonlySet<number>): void => this.#dispatch.queued(operatorIds);
    this.directory = new OperatorDirectory({ database, lease, log });
    const { directory } = this;
    const refunds = (operatorId: number): boolean =>
      directory.find(operatorId)?.settings.refundUndelivered ?? refundUndelivered;
    this.#screening = new Screening({ database, log });
    this.#recorder = new OutcomeRecorder({
      ...shared,
      graceMs: receiptGraceMs,
      refunds,
      onSettled,
      onBatch: (rows) => hooks.batch('submit', rows),
    });
    this.#receipts = new ReceiptIntake({
      ...shared,
      directory,
      refunds,
      onSettled,
      callbackHolder: hooks.callbackHolder,
      onBatch: (rows) => hooks.batch('receipt', rows),
      onReceipt: (operatorId, state) => hooks.received(directory.find(operatorId)?.name ?? String(operatorId), state),
    });
    this.#incoming = new Incoming({ ...shared, onOwed: hooks.callbackOwed });
    this.#lateResponses = new LateResponses({ ...shared, directory, graceMs: receiptGraceMs, refunds, onSettled });
    const recorder = this.#recorder;
    this.#dispatch = new Dispatch({
      ...shared,
      lease,
      directory,
      recorder,
      screening: this.#screening,
      graceMs: receiptGraceMs,
      onDeliver: (operatorId, pdu, respond) => this.#deliver(operatorId, pdu, respond),
      onSubmitResult: hooks.submitted,
      lateResponses: this.#lateResponses,
    });
    const receipts = this.#receipts;
    const asker = new AskOperator({ connection: database.stage(), directory, dispatch: this.#dispatch, receipts });
    const ask = (nowMs: number): Promise<void> => asker.ask(nowMs);
    this.#overdue = new Overdue({ ...shared, directory, receipts, ask, refunds, onSettled });
    this.#schedule = new Schedule({ ...shared, graceMs: receiptGraceMs, onQueued, onSettled });
    this.#takeOver = new TakeOver({ ...shared, lease, graceMs: receiptGraceMs, onQueued });
    this.#reroute = new Reroute({ ...shared, directory, onQueued });
    this.acceptance = new Acceptance({
      ...shared,
      operators: directory,
      lingerMs: options.acceptLingerMs,
      onQueued,
      queueHolder: this.#dispatch.queueHolder,
      onBatch: (rows) => hooks.batch('accept', rows),
      onUnresolved: hooks.unresolved,
    });
    this.messages = new MessageQuery({ database, clock, onEnded: hooks.callbackOwed });
    this.incomingQuery = new IncomingQuery({ database });
  }

  async start(): Promise<void> {
    await this.directory.start();
    await this.#screening.start();
    this.#incoming.start();
    this.#overdue.start();
    this.#takeOver.start();
    this.#lateResponses.start();
    this.#dispatch.start();
    this.#reroute.start();
    this.#schedule.start();
  }

  /** Call it when no request comes any more. Resolves when everything known is committed. */
  async stop(): Promise<void> {
    this.#recorder.giveUpAfter(RECORD_PATIENCE_MS);
    await this.acceptance.stop();
    await Promise.all([this.#schedule.stop(), this.#reroute.stop(), this.#takeOver.stop()]);
    await this.#dispatch.stop();
    await Promise.all([this.#receipts.stop(), this.#incoming.stop(), this.#overdue.stop()]);
    await this.#recorder.stop();
    await this.#lateResponses.stop();
    await Promise.all([this.directory.stop(), this.#screening.stop()]);
  }

  /** The node has no epoch any more. */
  loseLease(): void {
    this.#dispatch.loseLease();
  }

  #deliver(operatorId: number, pdu: MessagePdu, respond: (status: number) => void): void {
    const settings = this.directory.find(operatorId)?.settings;
    if (!settings) {
      respond(STATUS.ESME_RX_T_APPN);
      return;
    }
    const likeness = receiptLikeness(pdu.message);
    if (likeness === 'none') {
      this.#incoming.add(operatorId, settings, pdu.message, respond);
      return;
    }
    const receipt = parseReceipt(operatorId, settings, pdu.message, this.#options.clock.now());
    if (receipt) {
      const doubtful = (): void => this.#incoming.addDoubtful(receipt, settings, pdu.message, respond);
      this.#receipts.add(receipt, respond, likeness === 'perhaps' ? doubtful : undefined);
      return;
    }
    this.#options.log.warn({ operatorId }, 'a receipt names no message');
    respond(STATUS.ESME_ROK);
  }
}
