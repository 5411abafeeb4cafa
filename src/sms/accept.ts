/**
 * Acceptance: answers «accepted» only after the commit that charges, stores and enqueues a message, in one
 * transaction with those that came at the same time. A batch whose commit was lost is run again as it was, until
 * it is known; what stays unknown gets no answer.
 */
import { FeigeError } from '../base/errors.ts';
import { GroupCommit } from '../base/group-commit.ts';
import { inHalves } from '../base/halves.ts';
import type { Logger } from '../base/log.ts';
import { type AcceptRow, acceptBatch, acceptBatchAgain, type RejectedRow } from '../store/acceptance.ts';
import { askUntilKnown, judgeCharges, MsgidBlocks } from '../store/charged-batch.ts';
import {
  type Database,
  isConnectionLoss,
  ROW_FAULT,
  sqlState,
  type StageConnection,
  TRANSIENT,
} from '../store/database.ts';
import type { Clock } from '../base/clock.ts';
import type { QueueHolder } from '../store/queue.ts';
import { HandOver } from './hand-over.ts';
import type { OperatorDirectory } from './operator-directory.ts';

/** Larger batches no longer pay: the statement grows with them. */
const MAX_BATCH = 500;
/** Requests waiting for a commit; beyond it the client is asked to send again (99998). */
const MAX_WAITING = 10_000;
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

export type AcceptOutcome =
  | { readonly kind: 'accepted'; readonly msgid: number }
  | { readonly kind: 'insufficient-points' }
  /** The account's settings changed since it was read: read it again and judge again. */
  | { readonly kind: 'account-changed' }
  /** Certainly not stored, not charged. */
  | { readonly kind: 'not-stored' }
  /** The database can't be reached; certainly not stored, not charged. */
  | { readonly kind: 'unreachable' }
  /** Nobody knows whether it was stored: the client must not be told either. */
  | { readonly kind: 'unresolved' };

const INSUFFICIENT: AcceptOutcome = { kind: 'insufficient-points' };
const CHANGED: AcceptOutcome = { kind: 'account-changed' };
const NOT_STORED: AcceptOutcome = { kind: 'not-stored' };
const UNREACHABLE: AcceptOutcome = { kind: 'unreachable' };
const UNRESOLVED: AcceptOutcome = { kind: 'unresolved' };

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
  /** Called after a commit that put something into the queue that has to be claimed; for which operators, if that is known. */
  readonly onQueued: (operatorIds?: ReadonlySet<number>) => void;
  /** Who sends this operator's messages at once; undefined: they wait in the queue to be claimed. */
  readonly queueHolder: (operatorId: number) => QueueHolder | undefined;
  readonly onBatch: (messages: number) => void;
  readonly onUnresolved: (messages: number) => void;
  /** How long a lost commit is asked after; undefined: 50 s. */
  readonly resolveWithinMs?: number;
}

export class Acceptance {
  readonly #options: AcceptanceOptions;
  readonly #connection: StageConnection;
  readonly #msgids: MsgidBlocks;
  readonly #commits: GroupCommit<RoutedMessage, AcceptOutcome>;
  #unroutedSaidUntilMs = 0;

  constructor(options: AcceptanceOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#msgids = new MsgidBlocks(options.database);
    this.#commits = new GroupCommit({
      maxBatch: MAX_BATCH,
      lingerMs: options.lingerMs,
      maxWaiting: MAX_WAITING,
      run: (batch) => this.#commit(batch),
    });
  }

  /** Charges, stores and enqueues the message, or says why not. Never throws. */
  async accept(message: NewMessage): Promise<AcceptOutcome> {
    const operatorId = this.#options.operators.choose(message.mobile);
    if (operatorId === undefined) {
      this.#sayUnrouted(message.mobile);
      return NOT_STORED;
    }
    const outcome = this.#commits.submit({ message, operatorId });
    return outcome === undefined ? NOT_STORED : await outcome;
  }

  #sayUnrouted(mobile: string): void {
    if (performance.now() < this.#unroutedSaidUntilMs) return;
    this.#unroutedSaidUntilMs = performance.now() + SAY_UNROUTED_EVERY_MS;
    this.#options.log.error({ prefix: mobile.slice(0, 3) }, 'no operator carries this prefix');
  }

  /** Resolves when what waits is committed. */
  stop(): Promise<void> {
    return this.#commits.drain();
  }

  #commit(batch: readonly RoutedMessage[]): Promise<AcceptOutcome[]> {
    this.#options.onBatch(batch.length);
    return this.#acceptAll(batch);
  }

  /** Each part of a batch that is tried by itself fails by itself: others of it may be committed. */
  async #acceptAll(batch: readonly RoutedMessage[]): Promise<AcceptOutcome[]> {
    try {
      return await this.#tryAll(batch);
    } catch (error) {
      this.#options.log.error({ err: error, messages: batch.length }, 'a batch could not be stored');
      const unreachable = error instanceof FeigeError || isConnectionLoss(error);
      return batch.map(() => (unreachable ? UNREACHABLE : NOT_STORED));
    }
  }

  /** Throws only when nothing of this batch was stored. */
  async #tryAll(batch: readonly RoutedMessage[]): Promise<AcceptOutcome[]> {
    const handOver = new HandOver(this.#options.queueHolder);
    const rows = await this.#rowsOf(batch, handOver);
    const attempt = await this.#attempt(rows, handOver);
    if (attempt === 'unresolved') {
      this.#options.onUnresolved(batch.length);
      return batch.map(() => UNRESOLVED);
    }
    if (attempt === 'row-fault') return this.#inHalves(batch);
    return this.#judge(batch, rows, attempt);
  }

  /** A row that breaks the statement must not fail its neighbours: halves, down to the one. */
  async #inHalves(batch: readonly RoutedMessage[]): Promise<AcceptOutcome[]> {
    return batch.length === 1 ? [NOT_STORED] : inHalves(batch, (half) => this.#acceptAll(half));
  }

  /** Rows the balance did not cover in this order go again without those before them that were turned down. */
  async #judge(
    batch: readonly RoutedMessage[],
    rows: readonly AcceptRow[],
    rejected: readonly RejectedRow[],
  ): Promise<AcceptOutcome[]> {
    const again: number[] = [];
    const outcomes = judgeCharges(rows, rejected).map((verdict, index): AcceptOutcome => {
      if (verdict === 'accepted') return { kind: 'accepted', msgid: rows[index]?.msgid ?? 0 };
      if (verdict === 'again') again.push(index);
      return verdict === 'account-changed' ? CHANGED : INSUFFICIENT;
    });
    if (again.length === 0) return outcomes;
    const second = await this.#acceptAll(again.map((index) => batch[index] as RoutedMessage));
    for (const [place, index] of again.entries()) outcomes[index] = second[place] ?? NOT_STORED;
    return outcomes;
  }

  async #attempt(
    rows: readonly AcceptRow[],
    handOver: HandOver,
  ): Promise<readonly RejectedRow[] | 'row-fault' | 'unresolved'> {
    const nowMs = this.#options.clock.now();
    try {
      const { rejected, claimed } = await acceptBatch(this.#connection, nowMs, rows, handOver.epoch);
      const known = new Set(rejected.map((row) => row.msgid));
      const waiting = handOver.committed({ rows, rejected: known, claimed, acceptedAtMs: nowMs });
      if (waiting.size > 0) this.#options.onQueued(waiting);
      return rejected;
    } catch (error) {
      if (ROW_FAULT.test(sqlState(error)) || error instanceof FeigeError) handOver.failed();
      if (error instanceof FeigeError) throw error;
      if (ROW_FAULT.test(sqlState(error))) return 'row-fault';
      try {
        return await this.#whenUnsure(rows, error);
      } finally {
        handOver.lost();
      }
    }
  }

  async #whenUnsure(
    rows: readonly AcceptRow[],
    error: unknown,
  ): Promise<readonly RejectedRow[] | 'row-fault' | 'unresolved'> {
    if (!TRANSIENT.test(sqlState(error))) {
      if (!isConnectionLoss(error)) throw error;
      this.#options.log.warn({ err: error, messages: rows.length }, 'the outcome of a commit is unknown; asking again');
    }
    const resolved = await this.#resolve(rows);
    this.#options.onQueued();
    return resolved;
  }

  /** Runs the identical batch until the database says what became of it. */
  async #resolve(rows: readonly AcceptRow[]): Promise<readonly RejectedRow[] | 'row-fault' | 'unresolved'> {
    const known = await askUntilKnown(
      () => acceptBatchAgain(this.#connection, this.#options.clock.now(), rows),
      this.#options.resolveWithinMs,
    );
    if (known === 'unresolved')
      this.#options.log.error({ messages: rows.length }, 'the outcome of a commit stays unknown');
    return known;
  }

  async #rowsOf(batch: readonly RoutedMessage[], handOver: HandOver): Promise<AcceptRow[]> {
    let msgid = await this.#msgids.take(batch.length);
    const points = new Map<number, number>();
    const segments = new Map<string, number>();
    return batch.map(({ message, operatorId }) => {
      const runningPoints = (points.get(message.accountId) ?? 0) + message.points;
      points.set(message.accountId, runningPoints);
      const place = `${operatorId}/${message.accountId}`;
      const runningSegments = (segments.get(place) ?? 0) + message.segments;
      segments.set(place, runningSegments);
      const row = handOver.add({ ...message, msgid, operatorId, runningPoints, runningSegments });
      msgid += 1;
      return row;
    });
  }
}
