/**
 * The sending of one operator's messages by this node: claims no more than its links' free windows and its part of
 * the throttle allow, in the queue's order, and hands each to a link. Claims are given back when they can't go out.
 */
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { TokenBucket } from '../base/token-bucket.ts';
import type { Clock } from '../base/clock.ts';
import type { RefusalMeaning } from '../domain/states.ts';
import type { MessagePdu } from '../smpp/pdu.ts';
import type { SubmitResult } from '../smpp/session.ts';
import type { Database, StageConnection } from '../store/database.ts';
import { freeSlot, markSlot, takeSlot } from '../store/links.ts';
import type { EpochHolder } from '../store/node-lease.ts';
import type { Operator } from '../store/operators.ts';
import { claim, type QueuedMessage, releaseStrays } from '../store/queue.ts';
import { LowWaterMark } from './low-water.ts';
import type { OperatorDirectory } from './operator-directory.ts';
import { OperatorLink } from './operator-link.ts';
import type { OutcomeRecorder } from './outcome.ts';
import type { Screening } from './screening.ts';
import { Submission, segmentsLeft, unresolvedSegment } from './submission.ts';

const MAX_CLAIM = 500;
/** Claims closer together than this would be many and small. */
const CLAIM_EVERY_MS = 10;
const POLL_WITH_WORK_MS = 50;
const POLL_IDLE_MS = 250;
/** How often a claim looks below the low-water mark, where retries and very late commits are. */
const FULL_SCAN_EVERY_MS = 500;
const SLOTS_EVERY_MS = 1_000;
/** After a failed claim, how long the database may take to let go of the statement; then strays are looked for again. */
const STRAYS_AGAIN_AFTER_MS = 30_000;
const THROTTLED_PAUSE_MS = 1_000;
const QUEUE_FULL_PAUSE_MS = 1_000;
/** Message queue full (0x14) from so many recipients within a second means the operator's queue, not theirs. */
const QUEUE_FULL_RECIPIENTS = 3;

export interface DispatchContext {
  readonly database: Database;
  readonly clock: Clock;
  readonly lease: EpochHolder;
  readonly directory: OperatorDirectory;
  readonly recorder: OutcomeRecorder;
  readonly screening: Screening;
  readonly log: Logger;
  readonly graceMs: number;
  readonly onDeliver: (operatorId: number, pdu: MessagePdu, respond: (status: number) => void) => void;
  readonly onSubmitResult: (operator: string, result: string) => void;
  readonly onLateResponse: (operatorId: number, link: string, sequence: number, messageId: string) => void;
}

interface HeldSlot {
  readonly slot: number;
  readonly epoch: number;
  readonly link: OperatorLink;
}

export class OperatorDispatch {
  readonly operator: Operator;
  readonly #context: DispatchContext;
  readonly #connection: StageConnection;
  readonly #bucket: TokenBucket;
  readonly #claims: Periodic;
  readonly #slots: Periodic;
  readonly #held: HeldSlot[] = [];
  #backlog: QueuedMessage[] = [];
  #backlogSegments = 0;
  /** Of the claims in the backlog. */
  #epoch: number | undefined;
  /** Every message claimed whose outcome is not committed; bounded by windows and throttle. */
  readonly #known = new Set<QueuedMessage>();
  /** When claims whose answer was lost are looked for: at once after a failure, and once more. */
  #straysAtMs: number[] = [];
  #underWay = 0;
  #allDone: (() => void)[] = [];
  #reference = Math.floor(Math.random() * 256);
  readonly #lowWater = new LowWaterMark();
  #fullScanAtMs = 0;
  #recentlyFull: { mobile: string; atMs: number }[] = [];
  #wakeWaiting: (() => void) | undefined;
  /** A hint came while a claim was under way, which may not have seen what it was about. */
  #hinted = false;
  #hadWork = false;
  #stopped = false;

  constructor(operator: Operator, context: DispatchContext) {
    this.operator = operator;
    this.#context = context;
    this.#connection = context.database.stage();
    this.#bucket = new TokenBucket(operator.settings.throttle, performance.now());
    const onError = (error: unknown) =>
      context.log.warn({ err: error, operator: operator.name }, 'messages could not be claimed');
    this.#claims = new Periodic({ everyMs: POLL_IDLE_MS, run: () => this.#claimRound(), onError });
    this.#slots = new Periodic({ everyMs: SLOTS_EVERY_MS, run: () => this.#slotRound(), onError });
  }

  start(): void {
    this.#slots.start();
    this.#claims.start();
  }

  /** A hint that something was put into the queue. */
  wake(): void {
    this.#hinted = true;
    this.#wakeWaiting?.();
  }

  /** Claims no more, lets what is with the links end, records it, unbinds and gives the slots back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.wake();
    await Promise.all([this.#claims.stop(), this.#slots.stop()]);
    this.#giveBackBacklog();
    await Promise.all(this.#held.map((held) => held.link.stop()));
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#allDone.push(resolve));
    for (const held of this.#held.splice(0)) {
      await freeSlot(this.#context.database, held.epoch, this.operator.operatorId, held.slot).catch(() => {});
    }
    await this.#connection.stop();
  }

  /** This node lost its lease: nothing may go out any more under the old epoch. */
  async cutLinks(reason: string): Promise<void> {
    this.#giveBackBacklog();
    await Promise.all(this.#held.splice(0).map((held) => held.link.cut(reason)));
  }

  boundLinks(): number {
    return this.#held.filter((held) => held.link.bound).length;
  }

  /** A bound link, for query_sm. */
  anyLink(): OperatorLink | undefined {
    return this.#held.find((held) => held.link.bound)?.link;
  }

  // Slots

  async #slotRound(): Promise<boolean> {
    const epoch = this.#context.lease.epoch();
    if (epoch === undefined) return false;
    const { database, directory } = this.#context;
    const share = directory.shareOf(this.operator.operatorId, this.boundLinks());
    this.#bucket.setRate(this.operator.settings.throttle * share);
    if (this.#held.length >= this.operator.settings.links) return false;
    const slot = await takeSlot(database, epoch, this.operator.operatorId);
    if (slot === undefined || this.#context.lease.epoch() !== epoch) return false;
    this.#hold(slot, epoch);
    return true;
  }

  #hold(slot: number, epoch: number): void {
    const { operatorId, name, settings } = this.operator;
    const { database, directory, log } = this.#context;
    const link = new OperatorLink({
      name: `${name}/${slot}`,
      settings,
      log,
      onDeliver: (pdu, respond) => this.#context.onDeliver(operatorId, pdu, respond),
      onLateResponse: (linkName, sequence, status, messageId) => {
        if (status === 0) this.#context.onLateResponse(operatorId, linkName, sequence, messageId);
      },
      onChange: (bound, detail) => {
        this.#bucket.setRate(settings.throttle * directory.shareOf(operatorId, this.boundLinks()));
        markSlot(database, { epoch, operatorId, slot, bound, detail })
          .then(() => (this.#stopped ? undefined : directory.refresh()))
          .catch((error: unknown) => log.warn({ err: error, link: `${name}/${slot}` }, 'a link state was not stored'));
        this.wake();
      },
    });
    this.#held.push({ slot, epoch, link });
    link.start();
  }

  // Claims

  async #claimRound(): Promise<boolean> {
    const started = performance.now();
    this.#hinted = false;
    const claimed = await this.#claimWhatFits();
    this.#hadWork = claimed > 0 || (this.#hadWork && this.#backlog.length > 0);
    if (this.#stopped) return false;
    const spent = performance.now() - started;
    if (claimed > 0 || this.#hinted) await this.#wait(Math.max(0, CLAIM_EVERY_MS - spent), false);
    else await this.#wait(this.#hadWork || this.#underWay > 0 ? POLL_WITH_WORK_MS : POLL_IDLE_MS, true);
    return true;
  }

  /** Waits, or is woken; a wake-up waits out the least distance of two claims. */
  async #wait(durationMs: number, wakeable: boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, durationMs);
      if (!wakeable) return;
      this.#wakeWaiting = () => {
        clearTimeout(timer);
        setTimeout(resolve, this.#stopped ? 0 : CLAIM_EVERY_MS);
      };
    });
    this.#wakeWaiting = undefined;
  }

  async #claimWhatFits(): Promise<number> {
    this.#pump();
    const epoch = this.#context.lease.epoch();
    if (epoch === undefined) return 0;
    await this.#releaseStrays(epoch);
    const free = this.#held.reduce((sum, held) => sum + held.link.freeWindow(), 0) - this.#backlogSegments;
    const limit = Math.min(free, this.#bucket.available(performance.now()) - this.#backlogSegments, MAX_CLAIM);
    if (limit < 1) return 0;
    const fullScan = performance.now() >= this.#fullScanAtMs;
    if (fullScan) this.#fullScanAtMs = performance.now() + FULL_SCAN_EVERY_MS;
    const fromRank = fullScan ? 0 : this.#lowWater.rank;
    const { operatorId } = this.operator;
    const claimed = await claim(this.#connection, { epoch, operatorId, fromRank, limit }).catch((error: unknown) => {
      this.#straysAtMs = [performance.now(), performance.now() + STRAYS_AGAIN_AFTER_MS];
      throw error;
    });
    const first = claimed[0];
    if (first) this.#lowWater.note(first.rank, performance.now());
    this.#epoch = epoch;
    for (const message of claimed) {
      this.#known.add(message);
      this.#backlog.push(message);
      this.#backlogSegments += segmentsLeft(message);
    }
    if (this.#stopped || this.#context.lease.epoch() !== epoch) this.#giveBackBacklog();
    else this.#pump();
    return claimed.length;
  }

  /** No claim of this operator is under way here: what the epoch holds and is not known was never handed to anybody. */
  async #releaseStrays(epoch: number): Promise<void> {
    const [next] = this.#straysAtMs;
    if (next === undefined || performance.now() < next) return;
    const { operatorId, name } = this.operator;
    const known = [...this.#known].map(({ msgid }) => msgid);
    const messages = await releaseStrays(this.#connection, { epoch, operatorId, known });
    this.#straysAtMs.shift();
    if (messages > 0)
      this.#context.log.warn({ messages, operator: name }, 'claims whose answer was lost were given back');
  }

  // Sending

  /** A message leaves the backlog before it is sent: an outcome that comes at once pumps again. */
  #pump(): void {
    while (this.#backlog.length > 0 && this.#bucket.available(performance.now()) > 0) {
      const held = this.#freestLink();
      const message = held && this.#backlog.shift();
      if (!message) return;
      this.#backlogSegments -= segmentsLeft(message);
      this.#send(message, held);
    }
  }

  #freestLink(): HeldSlot | undefined {
    let best: HeldSlot | undefined;
    let most = 0;
    for (const held of this.#held) {
      const free = held.link.freeWindow();
      if (free > most) {
        best = held;
        most = free;
      }
    }
    return best;
  }

  #send(message: QueuedMessage, { link, epoch }: HeldSlot): void {
    const nowMs = this.#context.clock.now();
    const verdict = this.#context.screening.judge(message, nowMs);
    this.#underWay += 1;
    if (verdict) {
      const { operatorId } = this.operator;
      const detail = 'its validity ended before it could be sent once more; waits for a receipt';
      const held =
        verdict.state === 'EXPIRED'
          ? unresolvedSegment(message, { operatorId, graceMs: this.#context.graceMs, nowMs, detail })
          : undefined;
      const end = held ? { submitted: [held], ended: undefined } : { submitted: [], ended: verdict };
      this.#record(message, { epoch, events: [], returned: undefined, ...end });
      return;
    }
    this.#bucket.take(segmentsLeft(message));
    this.#reference = (this.#reference + 1) % 256;
    new Submission(message, this.#reference, {
      operatorId: this.operator.operatorId,
      settings: this.operator.settings,
      epoch,
      link: link.name,
      claimedAtMs: nowMs,
      graceMs: this.#context.graceMs,
      now: () => this.#context.clock.now(),
      // The lease is looked at before every socket write: past its deadline another node may send this message.
      submit: (fields, onResult) => {
        if (this.#context.lease.epoch() === epoch) link.submit(fields, onResult);
        else onResult({ kind: 'not-sent', reason: 'closed' });
      },
      onResult: (result, meaning) => this.#submitResult(message, link, result, meaning),
      onOutcome: (outcome) => this.#record(message, outcome),
    }).start();
  }

  #record(message: QueuedMessage, outcome: Parameters<OutcomeRecorder['add']>[0]): void {
    this.#context.recorder.add(outcome, () => {
      this.#known.delete(message);
      this.#underWay -= 1;
      if (this.#underWay === 0) for (const resolve of this.#allDone.splice(0)) resolve();
    });
    this.#pump();
  }

  #submitResult(
    message: QueuedMessage,
    link: OperatorLink,
    result: SubmitResult,
    meaning: RefusalMeaning | 'accepted' | undefined,
  ): void {
    this.#context.onSubmitResult(this.operator.name, meaning ?? (result.kind === 'unknown' ? 'unknown' : 'not-sent'));
    if (meaning === 'throttled') link.pause(THROTTLED_PAUSE_MS);
    if (meaning === 'queue-full') this.#noteQueueFull(message.mobile, link);
  }

  #noteQueueFull(mobile: string, link: OperatorLink): void {
    const nowMs = performance.now();
    this.#recentlyFull = this.#recentlyFull.filter((full) => nowMs - full.atMs < 1000).slice(-100);
    this.#recentlyFull.push({ mobile, atMs: nowMs });
    if (new Set(this.#recentlyFull.map((full) => full.mobile)).size >= QUEUE_FULL_RECIPIENTS)
      link.pause(QUEUE_FULL_PAUSE_MS);
  }

  /** Under the epoch that claimed it: what another node has taken over by then stays with that one. */
  #giveBackBacklog(): void {
    const epoch = this.#epoch;
    const backlog = this.#backlog.splice(0);
    this.#backlogSegments = 0;
    if (epoch === undefined) return;
    for (const message of backlog) {
      this.#underWay += 1;
      const { msgid, sentMask, reference, attempts, resends } = message;
      const returned = { msgid, dueAtMs: undefined, sentMask, reference, attempts, resends };
      this.#record(message, { epoch, submitted: [], events: [], ended: undefined, returned });
    }
  }
}
