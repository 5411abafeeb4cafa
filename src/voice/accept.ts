/**
 * Acceptance of calls: answers «accepted» only after the commit that reserves the points, stores and enqueues a call,
 * in one transaction with others that came at the same time (store/charged-batches).
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { acceptCalls, acceptCallsAgain, type CallRow } from '../store/calls.ts';
import { type AcceptOutcome, type BatchAttempt, ChargedBatches } from '../store/charged-batches.ts';
import type { Database, StageConnection } from '../store/database.ts';
import { MsgidBlocks } from '../store/msgids.ts';
import { RunningSums } from '../store/running-sums.ts';

/** `accountVersion`: of the account's settings under which the request was judged. */
export type NewCall = Omit<CallRow, 'msgid' | 'runningPoints' | 'runningCalls'>;

export interface CallAcceptanceOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lingerMs: number;
  /** Called after a commit that may have put something into the queue. */
  readonly onQueued: () => void;
  readonly onBatch: (calls: number) => void;
  readonly onUnresolved: (calls: number) => void;
  /** How long the outcome of a lost commit is looked for; undefined: 50 s. */
  readonly resolveWithinMs?: number;
}

export class CallAcceptance {
  readonly #options: CallAcceptanceOptions;
  readonly #connection: StageConnection;
  readonly #msgids: MsgidBlocks;
  readonly #batches: ChargedBatches<NewCall>;

  constructor(options: CallAcceptanceOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#msgids = new MsgidBlocks(options.database);
    this.#batches = new ChargedBatches({
      noun: 'calls',
      log: options.log,
      lingerMs: options.lingerMs,
      prepare: (batch) => this.#prepare(batch),
      onBatch: options.onBatch,
      onUnresolved: options.onUnresolved,
      resolveWithinMs: options.resolveWithinMs,
    });
  }

  /** Reserves, stores and enqueues the call, or says why not. Never rejects. */
  accept(call: NewCall): Promise<AcceptOutcome> {
    return this.#batches.accept(call);
  }

  /** Resolves when everything that waits is committed. */
  stop(): Promise<void> {
    return this.#batches.stop();
  }

  async #prepare(batch: readonly NewCall[]): Promise<BatchAttempt> {
    const { clock, onQueued } = this.#options;
    const rows = await this.#rowsOf(batch);
    return {
      rows,
      store: async () => {
        const rejected = await acceptCalls(this.#connection, clock.now(), rows);
        if (rejected.length < rows.length) onQueued();
        return rejected;
      },
      storeAgain: () => acceptCallsAgain(this.#connection, clock.now(), rows),
      nothingStored: () => {},
      outcomeLost: onQueued,
    };
  }

  async #rowsOf(batch: readonly NewCall[]): Promise<CallRow[]> {
    let msgid = await this.#msgids.take(batch.length);
    const points = new RunningSums<number>();
    const calls = new RunningSums<number>();
    return batch.map((call) => {
      const runningPoints = points.add(call.accountId, call.points);
      const runningCalls = calls.add(call.accountId, 1);
      const row = { ...call, msgid, runningPoints, runningCalls };
      msgid += 1;
      return row;
    });
  }
}
