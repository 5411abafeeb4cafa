/**
 * What dead nodes held: their link slots and callbacks become free, and each message they had claimed is one
 * whose outcome nobody knows, to be sent once more or to wait for its receipt, as its operator's policy says.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import type { Database } from '../store/database.ts';
import { freeSlots } from '../store/links.ts';
import { deadEpochs, type EpochHolder, forgetEpoch } from '../store/node-lease.ts';
import { releaseCallbacksOf } from '../store/outbox.ts';
import { type QueuedMessage, takeOver } from '../store/queue.ts';
import type { SubmittedSegment } from '../store/submissions.ts';
import type { OperatorDirectory } from './operator-directory.ts';
import type { Outcome, OutcomeRecorder } from './outcome.ts';
import { userMessageReference } from './submission.ts';

const LOOK_EVERY_MS = 1_000;
const MAX_BATCH = 500;
const MAX_RESENDS = 1;

export interface TakeOverOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly lease: EpochHolder;
  readonly directory: OperatorDirectory;
  readonly recorder: OutcomeRecorder;
  readonly log: Logger;
  readonly graceMs: number;
}

export class TakeOver {
  readonly #options: TakeOverOptions;
  readonly #look: Periodic;

  constructor(options: TakeOverOptions) {
    this.#options = options;
    this.#look = new Periodic({
      everyMs: LOOK_EVERY_MS,
      run: () => this.#round(),
      onError: (error) => options.log.warn({ err: error }, 'dead nodes could not be looked for'),
    });
  }

  start(): void {
    this.#look.start();
  }

  stop(): Promise<void> {
    return this.#look.stop();
  }

  async #round(): Promise<boolean> {
    const { database, lease, log } = this.#options;
    const epoch = lease.epoch();
    if (epoch === undefined) return false;
    const dead = (await deadEpochs(database)).filter((candidate) => candidate !== epoch);
    if (dead.length === 0) return false;
    await freeSlots(database, dead);
    for (const gone of dead) await releaseCallbacksOf(database, gone);
    const messages = await takeOver(database, epoch, dead, MAX_BATCH);
    for (const message of messages) this.#conclude(epoch, message);
    if (messages.length > 0) log.warn({ messages: messages.length, dead }, 'messages of dead nodes were taken over');
    if (messages.length === MAX_BATCH) return true;
    for (const gone of dead) await forgetEpoch(database, gone);
    return false;
  }

  #conclude(epoch: number, message: QueuedMessage & { operatorId: number }): void {
    const policy = this.#options.directory.find(message.operatorId)?.settings.unknownPolicy ?? 'resend';
    const resend = policy === 'resend' && message.resends < MAX_RESENDS;
    const outcome = resend ? this.#sentAgain(epoch, message) : this.#held(epoch, message);
    this.#options.recorder.add(outcome, () => {});
  }

  #sentAgain(epoch: number, message: QueuedMessage & { operatorId: number }): Outcome {
    const { msgid, operatorId, sentMask, reference, attempts, resends } = message;
    const event = {
      msgid,
      atMs: this.#options.clock.now(),
      kind: 'outcome-unknown',
      operatorId,
      segment: undefined,
      link: undefined,
      sequence: undefined,
      operatorMessageId: undefined,
      status: undefined,
      detail: 'the node that had claimed it died; will be sent once more',
    };
    return {
      epoch,
      submitted: [],
      events: [event],
      ended: undefined,
      returned: { msgid, dueAtMs: undefined, sentMask, reference, attempts, resends: resends + 1 },
    };
  }

  #held(epoch: number, message: QueuedMessage & { operatorId: number }): Outcome {
    const nowMs = this.#options.clock.now();
    const missing: SubmittedSegment[] = [];
    for (let index = 0; index < message.segments; index += 1) {
      if ((message.sentMask & (1 << index)) !== 0) continue;
      missing.push({
        msgid: message.msgid,
        operatorId: message.operatorId,
        segment: index + 1,
        segments: message.segments,
        mobile: message.mobile,
        operatorMessageId: undefined,
        reference: userMessageReference(message.msgid, index + 1),
        link: '',
        sequence: 0,
        submittedAtMs: nowMs,
        overdueAtMs: message.expiresAtMs + this.#options.graceMs,
        detail: 'the node that had claimed it died; waits for a receipt',
        last: true,
      });
    }
    return { epoch, submitted: missing, events: [], ended: undefined, returned: undefined };
  }
}
