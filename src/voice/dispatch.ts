/**
 * Claims calls while the trunks, this node and each account's limits (calls at once and per second) have room for them.
 * Every claimed call ends as recorded, given back, or left for the node that takes over.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '../base/log.ts';
import { StrayWatch } from '../base/stray-watch.ts';
import { TokenBucket } from '../base/token-bucket.ts';
import { claimCalls, noteTalking, promoteCalls, type QueuedCall, releaseStrayCalls } from '../store/call-queue.ts';
import type { Database, StageConnection } from '../store/database.ts';
import { CallCourse, type CourseContext } from './course.ts';
import type { TrunkDirectory } from './trunk-directory.ts';
import type { TrunkLanes } from './trunk-lanes.ts';

const POLL_BUSY_MS = 20;
/**
 * While limits apply or calls go on, room comes back in small pieces, and a bucket saves up no more than 100 ms of it.
 */
const POLL_LIMITED_MS = 50;
const POLL_IDLE_MS = 250;
const HINT_SPACING_MS = 5;
/** Ends of calls make room one by one: a claim for each would cost the database as much as the calls do. */
const ROOM_SPACING_MS = 20;
/** Calls that are claimed and not dialled yet, because speech is being made or no trunk has room. */
const MAX_PREPARING = 100;
/** Calls that no trunk carries are claimed too, since they have to end. */
const CLAIM_WITHOUT_TRUNKS = 10;
const PROMOTE_EVERY_MS = 200;
const PROMOTE_ROWS = 500;
const NOTE_TALKING_EVERY_MS = 2_000;
const MAX_ACCOUNT_BUCKETS = 10_000;
/** Calls that talk when the node is to stop may go on for so long. */
const STOP_TALKING_MS = 2_000;
/** Time for CANCELs and BYEs to be answered and for their results to be recorded. */
const STOP_WAIT_MS = 2_000;

export interface CallDispatchOptions extends CourseContext {
  readonly database: Database;
  readonly directory: TrunkDirectory;
  readonly lanes: TrunkLanes;
  readonly log: Logger;
  /** On this node, in all trunks. */
  readonly maxCalls: number;
  /** On all nodes. */
  readonly callsPerAccount: number;
  readonly callsPerSecondPerAccount: number;
  /** When strays are looked for a second time after a lost claim; absent: 30 s. */
  readonly lookAgainAfterMs: number | undefined;
}

export class CallDispatch {
  readonly #options: CallDispatchOptions;
  readonly #connection: StageConnection;
  readonly #courses = new Map<number, CallCourse>();
  readonly #buckets = new Map<number, TokenBucket>();
  /** Watches for claims of this epoch in the database that are not in `#courses`. */
  readonly #strays: StrayWatch;
  #stopping = false;
  #promotedMs = 0;
  #notedMs = 0;
  #hinted = false;
  #wakeUp: () => void = () => {};
  #roomTimer: NodeJS.Timeout | undefined;
  #loop: Promise<void> | undefined;
  #idle: () => void = () => {};

  constructor(options: CallDispatchOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#strays = new StrayWatch(options.lookAgainAfterMs);
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** A hint that the queue has something new. */
  wake(): void {
    this.#hinted = true;
    this.#wakeUp();
  }

  /** This node has no epoch any more: somebody else will have its calls, so none may go on. */
  loseLease(): void {
    for (const course of this.#courses.values()) course.abandon();
    this.#options.lanes.cancelWaiting();
  }

  /**
   * Claims nothing more, cancels ringing calls, and lets answered ones end within a bound; resolves when all is
   * recorded.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wakeUp();
    await this.#loop;
    clearTimeout(this.#roomTimer);
    this.#options.lanes.cancelWaiting();
    for (const course of this.#courses.values()) if (course.phase !== 'talking') course.abandon();
    await this.#untilIdle(STOP_TALKING_MS);
    for (const course of this.#courses.values()) course.abandon();
    await this.#untilIdle(STOP_WAIT_MS);
  }

  async #untilIdle(withinMs: number): Promise<void> {
    if (this.#courses.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    await Promise.race([idle, pause(withinMs, undefined, { ref: false })]);
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      let pauseMs = POLL_IDLE_MS;
      try {
        pauseMs = await this.#round();
      } catch (error) {
        this.#strays.statementLost();
        this.#options.log.warn({ err: error }, 'calls could not be claimed');
      }
      await this.#pause(pauseMs);
    }
  }

  /** Gives the pause until the next one. */
  async #round(): Promise<number> {
    const epoch = this.#options.lease.epoch();
    if (epoch === undefined) return POLL_IDLE_MS;
    if (this.#strays.isDue()) {
      await releaseStrayCalls(this.#connection, epoch, [...this.#courses.keys()]);
      this.#strays.looked();
    }
    await this.#lookAtTime(epoch);
    const limit = this.#room();
    if (limit === 0) return POLL_LIMITED_MS;
    const calls = await claimCalls(this.#connection, {
      epoch,
      limit,
      allowances: this.#allowances(),
      otherwise: Math.max(1, Math.floor(this.#accountRate() / 10)),
      callsPerAccount: this.#options.callsPerAccount,
    });
    for (const call of calls) this.#begin(epoch, call);
    if (calls.length > 0) return POLL_BUSY_MS;
    return this.#courses.size > 0 ? POLL_LIMITED_MS : POLL_IDLE_MS;
  }

  async #lookAtTime(epoch: number): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#promotedMs >= PROMOTE_EVERY_MS) {
      this.#promotedMs = nowMs;
      await promoteCalls(this.#connection, this.#options.clock.now(), PROMOTE_ROWS);
    }
    if (nowMs - this.#notedMs < NOTE_TALKING_EVERY_MS) return;
    this.#notedMs = nowMs;
    const talking = [...this.#courses.values()].filter((course) => course.phase === 'talking');
    if (talking.length === 0) return;
    const msgids = talking.map((course) => course.call.msgid);
    await noteTalking(this.#connection, epoch, this.#options.clock.now(), msgids);
  }

  #room(): number {
    const { directory, lanes, maxCalls } = this.#options;
    const trunks = directory.enabled();
    const preparing = [...this.#courses.values()].filter((course) => course.phase === 'preparing').length;
    const inTrunks = trunks.length === 0 ? CLAIM_WITHOUT_TRUNKS : lanes.room(trunks);
    const room = Math.min(inTrunks, MAX_PREPARING, maxCalls - this.#courses.size + preparing) - preparing;
    return Math.max(0, room);
  }

  #begin(epoch: number, call: QueuedCall): void {
    this.#spend(call.accountId);
    const course = new CallCourse(this.#options, epoch, call);
    this.#courses.set(call.msgid, course);
    course
      .run()
      .catch((error: unknown) => {
        this.#strays.statementLost();
        this.#options.log.error({ err: error, msgid: call.msgid }, 'a call failed in a way it must not');
      })
      .finally(() => {
        // A give-back whose answer was lost is repeated, and by then the call may have been claimed again.
        if (this.#courses.get(call.msgid) === course) this.#courses.delete(call.msgid);
        if (this.#courses.size === 0) this.#idle();
        this.#wakeSoon();
      });
  }

  /** There is room again. */
  #wakeSoon(): void {
    this.#roomTimer ??= setTimeout(() => {
      this.#roomTimer = undefined;
      this.#wakeUp();
    }, ROOM_SPACING_MS).unref();
  }

  #accountRate(): number {
    return this.#options.directory.shareOf(this.#options.callsPerSecondPerAccount);
  }

  /** What accounts that called a moment ago may call now. */
  #allowances(): Map<number, number> {
    const nowMs = performance.now();
    const rate = this.#accountRate();
    const allowances = new Map<number, number>();
    for (const [accountId, bucket] of this.#buckets) {
      bucket.setRate(rate, performance.now());
      allowances.set(accountId, bucket.available(nowMs));
    }
    return allowances;
  }

  #spend(accountId: number): void {
    let bucket = this.#buckets.get(accountId);
    if (bucket === undefined) {
      // Beyond the bound the oldest is forgotten and starts with a full burst.
      const oldest = this.#buckets.keys().next();
      if (this.#buckets.size >= MAX_ACCOUNT_BUCKETS && !oldest.done) this.#buckets.delete(oldest.value);
      bucket = new TokenBucket(this.#accountRate(), performance.now());
      this.#buckets.set(accountId, bucket);
    }
    bucket.take(1);
  }

  async #pause(pauseMs: number): Promise<void> {
    if (this.#stopping) return;
    if (this.#hinted) await pause(HINT_SPACING_MS);
    else {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pauseMs);
        this.#wakeUp = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wakeUp = () => {};
    }
    this.#hinted = false;
  }
}
