/**
 * What dead nodes held: an answered call is settled with the seconds that are known and never dialled again; one that
 * may have rung is dialled once more at the most; one that was not dialled goes back as if nothing had been.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { chargedSeconds } from '../domain/voice-tariff.ts';
import { type CallEvent, type QueuedCall, takeOverCalls } from '../store/call-queue.ts';
import type { Database } from '../store/database.ts';
import type { EpochHolder } from '../store/node-lease.ts';
import { endOf, MAX_REDIALS } from './course.ts';
import type { CallNote, CallRecorder } from './settle.ts';

const LOOK_EVERY_MS = 1_000;
const MAX_BATCH = 500;

export interface CallTakeOverOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly lease: EpochHolder;
  readonly recorder: Pick<CallRecorder, 'note'>;
  readonly log: Logger;
  readonly onQueued: () => void;
}

export class CallTakeOver {
  readonly #options: CallTakeOverOptions;
  readonly #look: Periodic;

  constructor(options: CallTakeOverOptions) {
    this.#options = options;
    this.#look = new Periodic({
      everyMs: LOOK_EVERY_MS,
      run: () => this.#round(),
      onError: (error) => options.log.warn({ err: error }, 'calls of dead nodes could not be looked for'),
    });
  }

  start(): void {
    this.#look.start();
  }

  stop(): Promise<void> {
    return this.#look.stop();
  }

  async #round(): Promise<boolean> {
    const { database, lease, log, recorder, onQueued } = this.#options;
    const epoch = lease.epoch();
    if (epoch === undefined) return false;
    const calls = await takeOverCalls(database, epoch, MAX_BATCH);
    if (calls.length === 0) return false;
    log.warn({ calls: calls.length }, 'calls of dead nodes were taken over');
    await Promise.all(calls.map((call) => recorder.note(this.#conclude(epoch, call))));
    onQueued();
    return calls.length === MAX_BATCH;
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
