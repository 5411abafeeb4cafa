/**
 * Takes over the calls of dead nodes: one that was answered is settled with the seconds that are known and never
 * dialled again; one that may have rung is dialled once more at most; one that was not dialled goes back as if nothing
 * had happened. Taking over and concluding is one transaction: even if its answer is lost, no call is left claimed by
 * a node that knows nothing of it.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { chargedSeconds } from '../domain/voice-tariff.ts';
import { type CallEvent, type QueuedCall, takeOverCalls } from '../store/call-queue.ts';
import type { SettledCall } from '../store/call-settlement.ts';
import { type Database, isRowFault, type StageConnection } from '../store/database.ts';
import type { EpochHolder } from '../store/node-lease.ts';
import { endOf, MAX_REDIALS } from './course.ts';
import { type CallNote, type CallRecorder, writeNotes } from './settle.ts';

const LOOK_EVERY_MS = 1_000;
const MAX_BATCH = 500;

export interface CallTakeOverOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly lease: EpochHolder;
  readonly recorder: Pick<CallRecorder, 'note'>;
  readonly log: Logger;
  readonly onQueued: () => void;
  readonly onSettled: (calls: readonly SettledCall[]) => void;
}

export class CallTakeOver {
  readonly #options: CallTakeOverOptions;
  readonly #connection: StageConnection;
  readonly #look: Periodic;

  constructor(options: CallTakeOverOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#look = new Periodic({
      everyMs: LOOK_EVERY_MS,
      run: () => this.#round(),
      onError: (error) => options.log.warn({ err: error }, 'calls of dead nodes could not be looked for'),
    });
  }

  start(): void {
    this.#look.start();
  }

  async stop(): Promise<void> {
    await this.#look.stop();
    await this.#connection.stop();
  }

  async #round(): Promise<boolean> {
    const { lease, log, onQueued } = this.#options;
    const epoch = lease.epoch();
    if (epoch === undefined) return false;
    const calls = await this.#takeOver(epoch).catch((error: unknown) => {
      if (!isRowFault(error)) throw error;
      return this.#takeOverOneByOne(epoch);
    });
    if (calls === 0) return false;
    log.warn({ calls }, 'calls of dead nodes were taken over');
    onQueued();
    return calls === MAX_BATCH;
  }

  async #takeOver(epoch: number): Promise<number> {
    const { clock, onSettled } = this.#options;
    const { calls, settled } = await this.#connection.transaction(async (tx) => {
      const calls = await takeOverCalls(tx, epoch, MAX_BATCH);
      if (calls.length === 0) return { calls, settled: [] };
      const notes = calls.map((call) => this.#conclude(epoch, call));
      return { calls, settled: (await writeNotes(tx, clock.now(), notes)).settled };
    });
    if (settled.length > 0) onSettled(settled);
    return calls.length;
  }

  /** If the database refuses what concludes one call, this holds up no other. */
  async #takeOverOneByOne(epoch: number): Promise<number> {
    const calls = await takeOverCalls(this.#connection, epoch, MAX_BATCH);
    await Promise.all(calls.map((call) => this.#options.recorder.note(this.#conclude(epoch, call))));
    return calls.length;
  }

  #conclude(epoch: number, call: QueuedCall): CallNote {
    const { msgid, claim, attempts, speechFailures, answeredAtMs, talkingAtMs } = call;
    const nowMs = this.#options.clock.now();
    const lost = 'the node that had the call died';
    const event: CallEvent = {
      msgid,
      atMs: nowMs,
      kind: 'taken-over',
      trunk: undefined,
      status: undefined,
      detail: lost,
    };
    if (answeredAtMs !== null) {
      const talkedMs = (talkingAtMs ?? answeredAtMs) - answeredAtMs;
      const seconds = chargedSeconds(talkedMs);
      const end = { state: 'FarEnd' as const, seconds, answeredAtMs, doneAtMs: nowMs, reason: lost };
      return { kind: 'ended', ended: endOf(call, epoch, end), events: [event] };
    }
    const redials = call.redials + (call.dialled ? 1 : 0);
    if (redials > MAX_REDIALS) {
      const end = { state: 'NoAnswer' as const, seconds: 0, answeredAtMs: undefined, doneAtMs: nowMs, reason: lost };
      return { kind: 'ended', ended: endOf(call, epoch, end), events: [event] };
    }
    const returned = { msgid, claim, dueAtMs: undefined, attempts, speechFailures, redials };
    return { kind: 'returned', epoch, returned, events: [event] };
  }
}
