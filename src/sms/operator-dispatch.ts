/**
 * Sends one operator's messages from this node: claims them in the queue's order, no more than the links' free windows
 * and this node's part of the throttle allow, and hands each to a link. Claims that can't be sent are given back.
 */
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { StrayWatch } from '../base/stray-watch.ts';
import { TokenBucket } from '../base/token-bucket.ts';
import type { Clock } from '../base/clock.ts';
import type { RefusalMeaning } from '../domain/states.ts';
import type { MessagePdu } from '../smpp/pdu.ts';
import type { SubmitResult } from '../smpp/session.ts';
import type { Database, StageConnection } from '../store/database.ts';
import type { EpochHolder } from '../store/node-lease.ts';
import type { Operator } from '../store/operators.ts';
import { claim, type QueuedMessage, type QueueHolder, releaseStrays } from '../store/queue.ts';
import type { LateResponses } from './late-response.ts';
import { LowWaterMark } from './low-water.ts';
import type { OperatorDirectory } from './operator-directory.ts';
import type { OperatorLink } from './operator-link.ts';
import { type HeldLink, OperatorLinks } from './operator-links.ts';
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
  readonly lateResponses: LateResponses;
}

export class OperatorDispatch {
  readonly operator: Operator;
  readonly #context: DispatchContext;
  readonly #connection: StageConnection;
  readonly #bucket: TokenBucket;
  readonly #claims: Periodic;
  readonly #links: OperatorLinks;
  #backlog: QueuedMessage[] = [];
  #backlogSegments = 0;
  /** Segments of the messages in the backlog. */
  #epoch: number | undefined;
  /** Every message claimed whose outcome is not committed; bounded by windows and throttle. */
  readonly #known = new Set<QueuedMessage>();
  readonly #strays = new StrayWatch();
  /** Segments for which hand-overs under way have room. */
  #promisedSegments = 0;
  /** Nothing older waits: the last claim got less than it asked for, and nothing was left behind since. */
  #dry = false;
  /** The highest rank that was handed over. */
  #handedRank = 0;
  #underWay = 0;
  #allDone: (() => void)[] = [];
  #reference = Math.floor(Math.random() * 256);
  readonly #lowWater = new LowWaterMark();
  #fullScanAtMs = 0;
  #recentlyFull: { mobile: string; atMs: number }[] = [];
  #wakeWaiting: (() => void) | undefined;
  /** A hint came while a claim was under way, which may not have seen the new rows. */
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
    this.#links = new OperatorLinks({ ...context, operator, onChange: () => this.wake() });
  }

  start(): void {
    this.#links.start();
    this.#claims.start();
  }

  /** A hint that something in the queue waits to be claimed; until then nothing may be handed over. */
  queued(): void {
    this.#dry = false;
    this.wake();
  }

  /** A hint that there may be something to do. */
  wake(): void {
    this.#hinted = true;
    this.#wakeWaiting?.();
  }

  /** Claims nothing more, lets the links finish what they have, records it, unbinds and gives the slots back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.wake();
    await Promise.all([this.#claims.stop(), this.#links.stopTaking(), this.#strays.handOversEnd()]);
    this.#giveBackBacklog();
    await this.#links.unbind();
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#allDone.push(resolve));
    await this.#links.giveBackSlots();
    await this.#connection.stop();
  }

  /** This node lost its lease: nothing may go out any more under the old epoch. */
  async cutLinks(reason: string): Promise<void> {
    this.#giveBackBacklog();
    await this.#links.cut(reason);
  }

  /** A bound link, for query_sm. */
  anyLink(): OperatorLink | undefined {
    return this.#links.any();
  }

  /**
   * Lets the acceptance claim what it enqueues for this operator, while nothing older waits and there is room;
   * undefined otherwise.
   */
  holder(): QueueHolder | undefined {
    const epoch = this.#context.lease.epoch();
    const room = this.#dry && !this.#stopped && epoch !== undefined ? this.#room() : 0;
    if (epoch === undefined || room < 1 || !this.#strays.beginHandOver()) return undefined;
    this.#promisedSegments += room;
    const end = (): void => {
      this.#promisedSegments -= room;
      this.#strays.handedOver();
    };
    return {
      epoch,
      room,
      take: (messages, highestRank, leftSome) => {
        end();
        this.#handedRank = Math.max(this.#handedRank, highestRank);
        if (leftSome) this.#dry = false;
        this.#take(messages, epoch);
      },
      lost: () => {
        end();
        this.#strays.statementLost();
      },
    };
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
    const limit = Math.min(this.#room(), MAX_CLAIM);
    if (limit < 1) {
      if (this.#promisedSegments === 0) this.#dry = false;
      return 0;
    }
    const fullScan = performance.now() >= this.#fullScanAtMs;
    if (fullScan) this.#fullScanAtMs = performance.now() + FULL_SCAN_EVERY_MS;
    const fromRank = fullScan ? 0 : this.#lowWater.rank;
    const { operatorId } = this.operator;
    const query = { epoch, operatorId, fromRank, limit, handedRank: this.#handedRank };
    const { messages, lowestRank } = await claim(this.#connection, query).catch((error: unknown) => {
      this.#strays.statementLost();
      throw error;
    });
    // The operator's row says so now, so the next message accepted ranks after those that were handed over.
    const mark = lowestRank ?? query.handedRank;
    if (mark > 0) this.#lowWater.note(mark, performance.now());
    this.#dry = messages.length < limit && !this.#hinted;
    this.#take(messages, epoch);
    return messages.length;
  }

  /** Segments that can go out at this moment: free windows and throttle, less what has been claimed or promised. */
  #room(): number {
    const spoken = this.#backlogSegments + this.#promisedSegments;
    return Math.min(this.#links.freeWindow(), this.#available()) - spoken;
  }

  #take(messages: readonly QueuedMessage[], epoch: number): void {
    if (this.#epoch !== epoch) this.#giveBackBacklog();
    this.#epoch = epoch;
    for (const message of messages) {
      this.#known.add(message);
      this.#backlog.push(message);
      this.#backlogSegments += segmentsLeft(message);
    }
    if (this.#stopped || this.#context.lease.epoch() !== epoch) this.#giveBackBacklog();
    else this.#pump();
    if (this.#backlog.length > 0) this.#hadWork = true;
  }

  /** Since no claim for this operator is under way here, rows that the epoch holds unknown to this node are strays. */
  async #releaseStrays(epoch: number): Promise<void> {
    if (!this.#strays.isDue()) return;
    const { operatorId, name } = this.operator;
    const known = [...this.#known].map(({ msgid }) => msgid);
    const messages = await releaseStrays(this.#connection, { epoch, operatorId, known });
    this.#strays.looked();
    if (messages > 0)
      this.#context.log.warn({ messages, operator: name }, 'claims whose answer was lost were given back');
  }

  /** What the throttle leaves to this node now, in segments. */
  #available(): number {
    const nowMs = performance.now();
    this.#bucket.setRate(this.#links.rate(), nowMs);
    return this.#bucket.available(nowMs);
  }

  // Sending

  /** A message leaves the backlog before it is sent: an outcome that comes at once pumps again. */
  #pump(): void {
    while (this.#backlog.length > 0 && this.#available() > 0) {
      const held = this.#links.freest();
      const message = held && this.#backlog.shift();
      if (!message) return;
      this.#backlogSegments -= segmentsLeft(message);
      this.#send(message, held);
    }
  }

  #send(message: QueuedMessage, { link, epoch }: HeldLink): void {
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
      saysTaken: (msgid, segment) => this.#context.lateResponses.saysTaken(msgid, segment),
      onTimeout: (sequence, submit) => this.#context.lateResponses.expect(link.name, sequence, submit),
      onOutcome: (outcome) => this.#record(message, outcome),
    }).start();
  }

  #record(message: QueuedMessage, outcome: Parameters<OutcomeRecorder['add']>[0]): void {
    this.#context.recorder.add(outcome, (committed) => {
      // A message that stays claimed must remain known, or it would be taken for a stray.
      if (committed) this.#known.delete(message);
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

  /** Records under the epoch that claimed the message; if another node has taken it over by then, it stays there. */
  #giveBackBacklog(): void {
    const epoch = this.#epoch;
    const backlog = this.#backlog.splice(0);
    this.#backlogSegments = 0;
    if (epoch === undefined) return;
    for (const message of backlog) {
      this.#underWay += 1;
      const { msgid, claim: claimToken, sentMask, reference, attempts, resends } = message;
      const returned = { msgid, claim: claimToken, dueAtMs: undefined, sentMask, reference, attempts, resends };
      this.#record(message, { epoch, submitted: [], events: [], ended: undefined, returned });
    }
  }
}
