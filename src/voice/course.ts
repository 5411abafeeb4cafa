/**
 * The course of a claimed call, from its speech to its end: makes what it plays, tries the trunks in order, and records
 * the result. If the speech engine or every trunk fails, the call is tried again later, a bounded number of times; an
 * answered call is never dialled again (point 31).
 */
import type { Clock } from '../base/clock.ts';
import type { CallState } from '../domain/voice-codes.ts';
import { dialledNumber } from '../domain/trunk-settings.ts';
import { chargedSeconds, pointsForSeconds } from '../domain/voice-tariff.ts';
import type { CallEvent, QueuedCall } from '../store/call-queue.ts';
import type { EndedCall } from '../store/call-settlement.ts';
import type { EpochHolder } from '../store/node-lease.ts';
import type { Trunk } from '../store/trunks.ts';
import { CallAttempt, type CallDependencies, type CallLine, type CallResult } from './call.ts';
import type { CallContent } from './content.ts';
import type { CallRecorder } from './settle.ts';
import { targetOf, type TrunkDirectory } from './trunk-directory.ts';
import type { TrunkLanes } from './trunk-lanes.ts';

/** Pauses after a round in which every trunk failed; after the last round the call has failed. */
const ROUND_PAUSES_MS = [5_000, 30_000, 120_000];
/** Pauses after speech that could not be made. */
const SPEECH_PAUSES_MS = [1_000, 5_000, 30_000];
/** A call that was cancelled by a node's stop is dialled again this often at the most, as after a crash. */
export const MAX_REDIALS = 1;

export interface CourseContext extends CallDependencies {
  readonly content: Pick<CallContent, 'of'>;
  readonly directory: Pick<TrunkDirectory, 'candidates' | 'markDown'>;
  readonly lanes: Pick<TrunkLanes, 'turn' | 'release'>;
  readonly recorder: Pick<CallRecorder, 'note'>;
  readonly clock: Clock;
  readonly lease: EpochHolder;
  readonly ringTimeoutMs: number;
  /** The address for RTP that a peer at this host should be told. */
  readonly mediaAddressFor: (host: string) => string;
}

/** The phase of a claimed call: nothing dialled yet, ringing, or answered. */
export type CoursePhase = 'preparing' | 'dialling' | 'talking' | 'over';

export class CallCourse {
  readonly call: QueuedCall;
  readonly #context: CourseContext;
  readonly #epoch: number;
  readonly #events: CallEvent[] = [];
  #phase: CoursePhase = 'preparing';
  #attempt: CallAttempt | undefined;
  #dialled = false;
  #abandoned = false;

  constructor(context: CourseContext, epoch: number, call: QueuedCall) {
    this.#context = context;
    this.#epoch = epoch;
    this.call = call;
  }

  get phase(): CoursePhase {
    return this.#attempt?.isAnswered === true && this.#phase === 'dialling' ? 'talking' : this.#phase;
  }

  /** Resolves when the call's result is recorded. Never rejects. */
  async run(): Promise<void> {
    const content = await this.#context.content.of(this.call);
    switch (content.kind) {
      case 'made':
        await this.#tryTrunks(content.samples);
        break;
      case 'failed':
        await this.#speechFailed(content.reason);
        break;
      case 'impossible':
        await this.#end('NoAnswer', { reason: content.reason });
        break;
    }
    this.#phase = 'over';
  }

  /** Hangs up; a call that was not answered goes back to the queue. */
  abandon(): void {
    this.#abandoned = true;
    this.#attempt?.hangUp();
  }

  async #tryTrunks(samples: Int16Array): Promise<void> {
    let reason = 'no trunk for this number';
    for (const trunk of this.#context.directory.candidates(this.call.phone)) {
      if (this.#abandoned || !(await this.#context.lanes.turn(trunk))) return this.#giveBack();
      const result = await this.#overTrunk(trunk, samples).finally(() => this.#context.lanes.release(trunk));
      if (result === 'not-ours') return;
      if (result.kind === 'trunk-failed' || result.kind === 'no-media') {
        reason = `${trunk.name}: ${result.reason}`;
        this.#event('trunk-failed', trunk, result.reason);
        if (result.kind === 'trunk-failed' && result.silent) this.#context.directory.markDown(trunk, result.reason);
        if (result.kind === 'trunk-failed' && result.final) return this.#end('NoAnswer', { reason });
        continue;
      }
      return this.#conclude(result);
    }
    return this.#roundFailed(reason);
  }

  /** `not-ours`: the claim was lost, and another node has the call now. */
  async #overTrunk(trunk: Trunk, samples: Int16Array): Promise<CallResult | 'not-ours'> {
    const { msgid, claim, phone, replayMode, replayTimes } = this.call;
    const { recorder, mediaAddressFor, ringTimeoutMs } = this.#context;
    if (this.#abandoned) return { kind: 'cancelled' };
    if (!this.#dialled) {
      this.#dialled = await recorder.note({ kind: 'dialling', epoch: this.#epoch, msgid, claim });
      if (!this.#dialled) return 'not-ours';
    }
    if (this.#abandoned) return { kind: 'cancelled' };
    // Since the database confirmed the claim, the process may have been stopped for longer than its lease.
    if (this.#context.lease.epoch() !== this.#epoch) return 'not-ours';
    this.#phase = 'dialling';
    this.#attempt = new CallAttempt(this.#context, {
      target: targetOf(trunk),
      to: dialledNumber(trunk.settings.dialForm, phone),
      mediaAddress: mediaAddressFor(trunk.settings.host),
      samples,
      replayMode,
      replayTimes,
      ringTimeoutMs,
      onAnswered: (atMs) => void recorder.note({ kind: 'answered', epoch: this.#epoch, msgid, claim, atMs }),
      onLine: (line) => this.#line(trunk, line),
    });
    return this.#attempt.run();
  }

  #conclude(result: Exclude<CallResult, { kind: 'trunk-failed' | 'no-media' }>): Promise<void> {
    switch (result.kind) {
      case 'answered': {
        const { answeredAtMs, talkedMs, by } = result;
        const reason = by === 'them' ? 'the callee hung up' : undefined;
        return this.#end('FarEnd', { seconds: chargedSeconds(talkedMs), answeredAtMs, reason });
      }
      case 'unanswered':
        return this.#end(result.state, { reason: result.reason });
      case 'cancelled':
        return this.#giveBack();
    }
  }

  async #end(
    state: CallState,
    how: { seconds?: number; answeredAtMs?: number | undefined; reason?: string | undefined },
  ): Promise<void> {
    const seconds = how.seconds ?? 0;
    const ended = endOf(this.call, this.#epoch, {
      state,
      seconds,
      answeredAtMs: how.answeredAtMs,
      doneAtMs: this.#context.clock.now(),
      reason: how.reason,
    });
    await this.#context.recorder.note({ kind: 'ended', ended, events: this.#takeEvents() });
  }

  #roundFailed(reason: string): Promise<void> {
    const pauseMs = ROUND_PAUSES_MS[this.call.attempts];
    if (pauseMs === undefined) return this.#end('NoAnswer', { reason });
    return this.#return({ dueAtMs: this.#context.clock.now() + pauseMs, attempts: this.call.attempts + 1 });
  }

  #speechFailed(reason: string): Promise<void> {
    this.#event('speech-failed', undefined, reason);
    if (this.#abandoned) return this.#giveBack();
    const { speechFailures } = this.call;
    const pauseMs = SPEECH_PAUSES_MS[speechFailures];
    if (pauseMs === undefined) return this.#end('NoAnswer', { reason: `no speech: ${reason}` });
    return this.#return({ dueAtMs: this.#context.clock.now() + pauseMs, speechFailures: speechFailures + 1 });
  }

  /** Called because this node stops. A call that may have rung is dialled once more at the most. */
  #giveBack(): Promise<void> {
    const redials = this.call.redials + (this.#phase === 'dialling' ? 1 : 0);
    if (redials > MAX_REDIALS) return this.#end('NoAnswer', { reason: 'interrupted twice' });
    return this.#return({ redials });
  }

  async #return(change: {
    dueAtMs?: number;
    attempts?: number;
    speechFailures?: number;
    redials?: number;
  }): Promise<void> {
    const { msgid, claim, attempts, speechFailures, redials } = this.call;
    const returned = { msgid, claim, dueAtMs: undefined, attempts, speechFailures, redials, ...change };
    await this.#context.recorder.note({
      kind: 'returned',
      epoch: this.#epoch,
      returned,
      events: this.#takeEvents(),
    });
  }

  #event(kind: string, trunk: Trunk | undefined, detail: string): void {
    this.#events.push(this.#eventOf(kind, trunk, this.#context.clock.now(), detail));
  }

  /** Events that come after the end are recorded separately. */
  #line(trunk: Trunk, { atMs, kind, detail }: CallLine): void {
    const event = this.#eventOf(kind, trunk, atMs, detail);
    if (this.#phase === 'over') void this.#context.recorder.note({ kind: 'events', events: [event] });
    else this.#events.push(event);
  }

  #eventOf(kind: string, trunk: Trunk | undefined, atMs: number, detail: string): CallEvent {
    return { msgid: this.call.msgid, atMs, kind, trunk: trunk?.name, status: undefined, detail };
  }

  #takeEvents(): CallEvent[] {
    this.#phase = 'over';
    return this.#events.splice(0);
  }
}

/** The end of a call with what its seconds cost. */
export function endOf(
  call: QueuedCall,
  epoch: number,
  end: Omit<EndedCall, 'msgid' | 'epoch' | 'claim' | 'points'>,
): EndedCall {
  const tariff = { points: call.unitPoints, unitSeconds: call.unitSeconds };
  return { ...end, msgid: call.msgid, epoch, claim: call.claim, points: pointsForSeconds(tariff, end.seconds) };
}
