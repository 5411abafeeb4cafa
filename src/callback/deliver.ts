/**
 * The delivery stage: claims callbacks that are due, calls the customers' servers and records the results. A callback
 * is done when it is answered with 200, and given up 24 h after it was owed (design, promise 7). A slow or silent host
 * never delays another: callbacks that it can't take are parked in its own lane. Repeats are possible, losses are not.
 */
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { StrayWatch } from '../base/stray-watch.ts';
import type { OutgoingClient } from '../outgoing/client.ts';
import type { Outcome } from '../outgoing/exchange.ts';
import type { Database, StageConnection } from '../store/database.ts';
import type { EpochHolder } from '../store/node-lease.ts';
import {
  type Callback,
  type CallbackHolder,
  claimOpen,
  claimParked,
  park,
  parkedHosts,
  release,
  releaseStrays,
} from '../store/outbox.ts';
import { callbackUrl } from './callback-url.ts';
import { type Attempt, HostLanes } from './host-lanes.ts';
import { SettleAttempts } from './settle-attempts.ts';

const TIMEOUT_MS = 10_000;
const POLL_BUSY_MS = 50;
const POLL_IDLE_MS = 250;
/** Least pause between claims that hints ask for, so that a flood of hints makes batches. */
const HINT_SPACING_MS = 10;
/** Pause after a parked lane gave as much as was asked for. */
const POLL_FULL_MS = 10;
const CLAIM_ROWS = 250;
/** Callbacks waiting in memory; beyond this they are left to be claimed. */
const MAX_HANDED_OVER = 2_000;
const REVIEW_MS = 250;
/** Hosts with parked callbacks that one review looks at. */
const PARKED_HOSTS_PAGE = 200;
/** Pauses between the tries of one callback. */
const RETRY = { baseMs: 5_000, maxMs: 3_600_000, jitter: 0.3 };
const DATABASE_PAUSE = { baseMs: 100, maxMs: 2_000 };
const STOP_ATTEMPTS_MS = 3_000;
const STOP_SETTLE_MS = 2_000;

export interface CallbackMetrics {
  attempted(result: 'ok' | 'failed' | 'refused'): void;
}

export interface CallbackDeliveryOptions {
  readonly database: Database;
  readonly client: Pick<OutgoingClient, 'send'>;
  readonly clock: Clock;
  readonly lease: EpochHolder;
  readonly log: Logger;
  readonly metrics?: CallbackMetrics;
  /** Most attempts under way in all. */
  readonly concurrency: number;
  /** Most attempts under way to one host. */
  readonly concurrencyPerHost: number;
  readonly timeoutMs?: number;
}

type Claimed = Callback & { readonly epoch: number };

export class CallbackDelivery {
  readonly #options: CallbackDeliveryOptions;
  readonly #timeoutMs: number;
  readonly #claims: StageConnection;
  readonly #settles: StageConnection;
  readonly #lanes: HostLanes<Claimed>;
  readonly #settle: SettleAttempts;
  readonly #underWay = new Set<Attempt<Claimed>>();
  /** Every claim of this epoch that waits, is under way, or is not yet recorded. */
  readonly #held = new Set<number>();
  readonly #strays = new StrayWatch();
  /** Handed over without finding room: the next round parks them, since a connection runs one statement at a time. */
  readonly #excess: Claimed[] = [];
  #epoch: number | undefined;
  #reviewedMs = 0;
  #pageAfter = '';
  #openIsDry = false;
  /** The last claim of this epoch left nothing waiting in the open lane. */
  #nothingOlder = false;
  #pumping = false;
  #stopping = false;
  #hinted = false;
  #wakeUp: () => void = () => {};
  #attemptEnded: () => void = () => {};
  #loop: Promise<void> | undefined;

  constructor(options: CallbackDeliveryOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    // If a dying server forgets some of these commits, they are done again, and a callback may come twice. In return
    // the acceptance need not wait for their flushes.
    this.#claims = options.database.stage({ mayForget: true });
    this.#settles = options.database.stage({ mayForget: true });
    this.#lanes = new HostLanes(options);
    this.#settle = new SettleAttempts({
      db: this.#settles,
      log: options.log,
      forgotten: (callbackIds, written) => {
        for (const callbackId of callbackIds) this.#held.delete(callbackId);
        if (!written) this.#strays.statementLost();
      },
    });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** A hint that callbacks have come due; polling finds them without it. */
  wake(): void {
    if (this.#hinted) return;
    this.#hinted = true;
    this.#wakeUp();
  }

  /**
   * Lets a statement claim what it owes, while nothing older waits and there is room; undefined otherwise.
   */
  holder(): CallbackHolder | undefined {
    const epoch = this.#options.lease.epoch();
    if (epoch === undefined || epoch !== this.#epoch || this.#stopping) return undefined;
    if (!this.#nothingOlder || this.#lanes.waiting >= MAX_HANDED_OVER || !this.#settle.hasRoom()) return undefined;
    if (!this.#strays.beginHandOver()) return undefined;
    return {
      epoch,
      fullHosts: this.#lanes.fullHosts(),
      take: (callbacks) => {
        this.#strays.handedOver();
        // If the epoch has ended meanwhile, they belong to whoever takes it over.
        if (this.#epoch === epoch && this.#options.lease.epoch() === epoch) this.#takeOver(callbacks, epoch);
      },
      lost: () => {
        this.#strays.handedOver();
        this.#strays.statementLost();
      },
    };
  }

  /** Claims no more, lets attempts under way end within a bound, and gives the rest back. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wakeUp();
    await this.#loop;
    const waiting = this.#lanes.clear();
    const boundMs = performance.now() + STOP_ATTEMPTS_MS;
    while (this.#underWay.size > 0 && performance.now() < boundMs) await this.#attemptEnds(boundMs - performance.now());
    await this.#settle.drain(STOP_SETTLE_MS);
    const left = [...waiting, ...this.#excess.splice(0), ...[...this.#underWay].map((attempt) => attempt.row)];
    if (left.length > 0) {
      await release(this.#claims, left).catch((error: unknown) => {
        this.#options.log.warn({ err: error, callbacks: left.length }, 'claimed callbacks were not given back');
      });
    }
    await Promise.all([this.#claims.stop(), this.#settles.stop()]);
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopping) {
      let claimed = 0;
      let pauseMs = POLL_IDLE_MS;
      try {
        claimed = await this.#claim();
        failures = 0;
        if (claimed >= CLAIM_ROWS) pauseMs = POLL_FULL_MS;
        else if (claimed > 0) pauseMs = POLL_BUSY_MS;
      } catch (error) {
        failures += 1;
        pauseMs = backoffMs(failures, DATABASE_PAUSE);
        this.#openIsDry = true;
        this.#nothingOlder = false;
        this.#strays.statementLost();
        this.#options.log.warn({ err: error, failures }, 'callbacks could not be claimed');
      }
      this.#pump();
      if (this.#openIsDry || !this.#isHungry()) await this.#pause(pauseMs, failures > 0);
    }
  }

  #isHungry(): boolean {
    return this.#lanes.wantsMore() && this.#settle.hasRoom();
  }

  /** One round of claims; gives how many rows it moved. */
  async #claim(): Promise<number> {
    const epoch = this.#options.lease.epoch();
    if (epoch === undefined || epoch !== this.#epoch) {
      // Claims of an epoch that ended belong to whoever took it over.
      this.#lanes.clear();
      this.#excess.length = 0;
      this.#held.clear();
      this.#epoch = epoch;
      this.#openIsDry = true;
      this.#nothingOlder = false;
    }
    if (epoch === undefined) return 0;
    if (this.#strays.isDue()) {
      await releaseStrays(this.#claims, epoch, [...this.#held]);
      this.#strays.looked();
    }
    const excess = this.#excess.splice(0);
    if (excess.length > 0) await park(this.#claims, excess);
    if (performance.now() - this.#reviewedMs >= REVIEW_MS) await this.#review();
    const unparked = this.#settle.hasRoom() ? await this.#claimParked(epoch) : 0;
    this.#pump();
    const opened = this.#isHungry() ? await this.#claimOpen(epoch) : 0;
    return unparked + opened;
  }

  async #claimOpen(epoch: number): Promise<number> {
    const nowMs = this.#options.clock.now();
    const fullHosts = this.#lanes.fullHosts();
    const { claimed, parked } = await claimOpen(this.#claims, { epoch, nowMs, limit: CLAIM_ROWS, fullHosts });
    const excess = this.#offer(claimed, epoch);
    this.#pump();
    if (excess.length > 0) await park(this.#claims, excess);
    this.#openIsDry = claimed.length + parked < CLAIM_ROWS;
    this.#nothingOlder = this.#openIsDry;
    return claimed.length + parked;
  }

  /** Puts claims into their lanes; gives those that find no room. */
  #offer(callbacks: readonly Callback[], epoch: number): Claimed[] {
    const excess: Claimed[] = [];
    for (const callback of callbacks) {
      const row: Claimed = Object.assign(callback, { epoch });
      if (this.#lanes.offer(row)) this.#held.add(row.callbackId);
      else excess.push(row);
    }
    return excess;
  }

  #takeOver(callbacks: readonly Callback[], epoch: number): void {
    this.#excess.push(...this.#offer(callbacks, epoch));
    this.#pump();
    if (this.#excess.length > 0) this.wake();
  }

  async #claimParked(epoch: number): Promise<number> {
    const wanted = this.#lanes.parkedRoom(CLAIM_ROWS);
    if (wanted.length === 0) return 0;
    const rows = await claimParked(this.#claims, { epoch, nowMs: this.#options.clock.now(), wanted });
    const counts = new Map<string, number>();
    for (const callback of rows) {
      this.#lanes.takeParked(Object.assign(callback, { epoch }));
      this.#held.add(callback.callbackId);
      counts.set(callback.host, (counts.get(callback.host) ?? 0) + 1);
    }
    for (const { host, rows: asked } of wanted) {
      if ((counts.get(host) ?? 0) < asked) this.#lanes.noteParked(host, false);
    }
    return rows.length;
  }

  async #review(): Promise<void> {
    this.#reviewedMs = performance.now();
    const excess = this.#lanes.review();
    for (const row of excess) this.#held.delete(row.callbackId);
    if (excess.length > 0) await park(this.#claims, excess);
    const page = { after: this.#pageAfter, nowMs: this.#options.clock.now(), limit: PARKED_HOSTS_PAGE };
    const hosts = await parkedHosts(this.#claims, page);
    for (const { host, due } of hosts) if (due) this.#lanes.noteParked(host, true);
    this.#pageAfter = hosts.length < PARKED_HOSTS_PAGE ? '' : (hosts.at(-1)?.host ?? '');
  }

  /** Starts every attempt that may start. Not entered twice: an attempt that ends at once comes back here. */
  #pump(): void {
    if (this.#pumping || this.#stopping) return;
    this.#pumping = true;
    while (this.#settle.hasRoom()) {
      const attempt = this.#lanes.next();
      if (!attempt) break;
      this.#attempt(attempt);
    }
    this.#pumping = false;
  }

  #attempt(attempt: Attempt<Claimed>): void {
    const { row } = attempt;
    if (this.#options.lease.epoch() !== row.epoch) {
      this.#lanes.abandon(attempt);
      return;
    }
    const nowMs = this.#options.clock.now();
    if (nowMs > row.giveUpAtMs && this.#lanes.isDown(row.host)) {
      this.#lanes.abandon(attempt);
      this.#fail(row, { status: undefined, detail: 'not tried: the host does not answer', tried: false });
      return;
    }
    this.#underWay.add(attempt);
    this.#options.client.send(callbackUrl(row), this.#timeoutMs, (outcome) => this.#attempted(attempt, outcome));
  }

  #attempted(attempt: Attempt<Claimed>, outcome: Outcome): void {
    if (!this.#underWay.delete(attempt)) return;
    const { row } = attempt;
    this.#lanes.finished(attempt, outcome.kind === 'answered');
    if (outcome.kind === 'answered' && outcome.status === 200) {
      const { callbackId, epoch } = row;
      this.#settle.add({ kind: 'delivered', callbackId, epoch, atMs: this.#options.clock.now() });
      this.#options.metrics?.attempted('ok');
    } else {
      const answered = outcome.kind === 'answered';
      const detail = answered ? `answered ${outcome.status}` : outcome.reason;
      this.#fail(row, { status: answered ? outcome.status : undefined, detail, tried: true });
      this.#options.metrics?.attempted(outcome.kind === 'refused-address' ? 'refused' : 'failed');
    }
    this.#pump();
    if (!this.#openIsDry && this.#isHungry()) this.#wakeUp();
    this.#attemptEnded();
  }

  #fail(row: Claimed, failure: { status: number | undefined; detail: string; tried: boolean }): void {
    const { callbackId, epoch } = row;
    const atMs = this.#options.clock.now();
    const nextAtMs = atMs + backoffMs(row.attempts + 1, RETRY);
    this.#settle.add({ kind: 'failed', callbackId, epoch, atMs, nextAtMs, ...failure });
  }

  /** Until the time is over, a hint comes, or the lanes run low while there is more to claim. */
  async #pause(pauseMs: number, deaf: boolean): Promise<void> {
    if (this.#stopping) return;
    const startedMs = performance.now();
    if (deaf || !this.#hinted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pauseMs);
        this.#wakeUp = () => {
          if (deaf && !this.#stopping) return;
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wakeUp = () => {};
    }
    const restMs = HINT_SPACING_MS - (performance.now() - startedMs);
    if (this.#hinted && restMs > 0 && !this.#stopping) await new Promise((resolve) => setTimeout(resolve, restMs));
    this.#hinted = false;
  }

  #attemptEnds(boundMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, boundMs);
      this.#attemptEnded = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
