/**
 * Acceptance: answers «accepted» only after the commit that charges, stores and enqueues a message, in one transaction
 * with others that came at the same time (store/charged-batches). Where this node's links have room, the message is
 * claimed for them in the same statement.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type AcceptRow, acceptBatch, acceptBatchAgain } from '../store/acceptance.ts';
import {
  type AcceptOutcome,
  type BatchAttempt,
  ChargedBatches,
  NOT_STORED,
  type RejectedRow,
} from '../store/charged-batches.ts';
import type { Database, StageConnection } from '../store/database.ts';
import { MsgidBlocks } from '../store/msgids.ts';
import type { QueueHolder } from '../store/queue.ts';
import { RunningSums } from '../store/running-sums.ts';
import { HandOver } from './hand-over.ts';
import type { OperatorDirectory } from './operator-directory.ts';

/** A missing operator is one line in the log, not one a request. */
const SAY_UNROUTED_EVERY_MS = 10_000;

export interface NewMessage {
  readonly accountId: number;
  /** The version of the account's settings under which the request was judged. */
  readonly accountVersion: number;
  /** E.164 digits. */
  readonly mobile: string;
  readonly body: string;
  readonly segments: number;
  readonly points: number;
  /** When it is to be sent; undefined: now. */
  readonly dueAtMs: number | undefined;
  readonly validitySeconds: number;
  readonly drurl: string | undefined;
  readonly sourceAddress: string | undefined;
}

interface RoutedMessage {
  readonly message: NewMessage;
  readonly operatorId: number;
}

export interface AcceptanceOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly operators: Pick<OperatorDirectory, 'choose'>;
  readonly log: Logger;
  readonly lingerMs: number;
  /**
   * Called after a commit that left something in the queue to be claimed; with the operators it waits for, if known.
   */
  readonly onQueued: (operatorIds?: ReadonlySet<number>) => void;
  /** Who sends this operator's messages at once; undefined: they wait in the queue to be claimed. */
  readonly queueHolder: (operatorId: number) => QueueHolder | undefined;
  readonly onBatch: (messages: number) => void;
  readonly onUnresolved: (messages: number) => void;
  /** How long the outcome of a lost commit is looked for; undefined: 50 s. */
  readonly resolveWithinMs?: number;
}

export class Acceptance {
  readonly #options: AcceptanceOptions;
  readonly #connection: StageConnection;
  readonly #msgids: MsgidBlocks;
  readonly #batches: ChargedBatches<RoutedMessage>;
  #unroutedSaidUntilMs = 0;

  constructor(options: AcceptanceOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#msgids = new MsgidBlocks(options.database);
    this.#batches = new ChargedBatches({
      noun: 'messages',
      log: options.log,
      lingerMs: options.lingerMs,
      prepare: (batch) => this.#prepare(batch),
      onBatch: options.onBatch,
      onUnresolved: options.onUnresolved,
      resolveWithinMs: options.resolveWithinMs,
    });
  }

  /** Charges, stores and enqueues the message, or says why not. Never rejects. */
  accept(message: NewMessage): Promise<AcceptOutcome> {
    const operatorId = this.#options.operators.choose(message.mobile);
    if (operatorId !== undefined) return this.#batches.accept({ message, operatorId });
    this.#sayUnrouted(message.mobile);
    return Promise.resolve(NOT_STORED);
  }

  /** Resolves when everything that waits is committed. */
  stop(): Promise<void> {
    return this.#batches.stop();
  }

  #sayUnrouted(mobile: string): void {
    if (performance.now() < this.#unroutedSaidUntilMs) return;
    this.#unroutedSaidUntilMs = performance.now() + SAY_UNROUTED_EVERY_MS;
    this.#options.log.error({ prefix: mobile.slice(0, 3) }, 'no operator carries this prefix');
  }

  async #prepare(batch: readonly RoutedMessage[]): Promise<BatchAttempt> {
    const handOver = new HandOver(this.#options.queueHolder);
    const rows = await this.#rowsOf(batch, handOver);
    return {
      rows,
      store: () => this.#store(rows, handOver),
      storeAgain: () => acceptBatchAgain(this.#connection, this.#options.clock.now(), rows),
      nothingStored: () => handOver.failed(),
      outcomeLost: () => {
        this.#options.onQueued();
        handOver.lost();
      },
    };
  }

  async #store(rows: readonly AcceptRow[], handOver: HandOver): Promise<readonly RejectedRow[]> {
    const nowMs = this.#options.clock.now();
    const { rejected, claimed } = await acceptBatch(this.#connection, nowMs, rows, handOver.epoch);
    const rejectedMsgids = new Set(rejected.map((row) => row.msgid));
    const waiting = handOver.committed({ rows, rejected: rejectedMsgids, claimed, acceptedAtMs: nowMs });
    if (waiting.size > 0) this.#options.onQueued(waiting);
    return rejected;
  }

  async #rowsOf(batch: readonly RoutedMessage[], handOver: HandOver): Promise<AcceptRow[]> {
    let msgid = await this.#msgids.take(batch.length);
    const points = new RunningSums<number>();
    const segments = new RunningSums<string>();
    return batch.map(({ message, operatorId }) => {
      const runningPoints = points.add(message.accountId, message.points);
      const runningSegments = segments.add(`${operatorId}/${message.accountId}`, message.segments);
      const row = handOver.add({ ...message, msgid, operatorId, runningPoints, runningSegments });
      msgid += 1;
      return row;
    });
  }
}
