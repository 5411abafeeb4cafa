/**
 * Responses that come after their submit was given up as unknown. If the operator took the segment, the response gives
 * the waiting segment its id, or stops the message from being sent once more; a refusal says that it was not taken. A
 * row that is claimed at that moment is left alone and looked at again later; if the claim is this node's, its
 * submission asks here before it writes. After a time-out nobody can claim the message for a second (see
 * submission.ts), which leaves time to record a response that is a little late.
 */
import type { Clock } from '../base/clock.ts';
import { inHalves } from '../base/halves.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import { stateOfCommandStatus } from '../domain/states.ts';
import { type Database, isRowFault, type Queryable, type StageConnection } from '../store/database.ts';
import {
  countResendBack,
  endRefusedLate,
  markTaken,
  putOffRefusedLate,
  putOffSegmentsRefusedLate,
  type StoredSegment,
  stillQueued,
  takeWaiting,
} from '../store/late-responses.ts';
import { settleJoined } from '../store/receipts.ts';
import type { SettledRow } from '../store/settlement.ts';
import { noteEvents, type RecordedSubmissions, type SubmitEvent, type SubmittedSegment } from '../store/submissions.ts';
import type { OperatorDirectory } from './operator-directory.ts';
import { recordSegments } from './record-segments.ts';

/** As many timed-out submits as a session remembers. */
const MAX_EXPECTED = 20_000;
const MAX_ARRIVED = 20_000;
/** How long responses are gathered, so that those that come together are recorded together. */
const GATHER_MS = 10;
/** How often responses whose message was claimed are looked at again. */
const LOOK_EVERY_MS = 250;
const MAX_BATCH = 200;
/** How long a response waits for the outcome of its message's next submit to be committed. */
const PATIENCE_MS = 120_000;
/** Pause before a message that was refused for now is sent again; a refusal in time begins with the same one. */
const RETRY_PAUSE_MS = 5_000;

/** A submit without a response in time. */
export interface UnansweredSubmit {
  readonly operatorId: number;
  readonly msgid: number;
  readonly segment: number;
  readonly sourceAddress: string | undefined;
  /** user_message_reference as sent. */
  readonly reference: number;
  /** The reference by which the handset joins the segments of a long message. */
  readonly concatenationReference: number | undefined;
  readonly submittedAtMs: number;
  /**
   * True: it is the only submit of its segment, which waits for a receipt. False: there is another one, or there will
   * be.
   */
  readonly only: boolean;
}

interface Arrived extends UnansweredSubmit {
  readonly link: string;
  readonly sequence: number;
  /** command_status. */
  readonly status: number;
  readonly operatorMessageId: string;
  readonly giveUpAtMs: number;
}

/** The result of one round: the messages whose responses are dealt with, and what follows. */
interface Dealt {
  readonly msgids: Set<number>;
  readonly joined: RecordedSubmissions['arrived'][number][];
  readonly settled: SettledRow[];
}

export interface LateResponsesOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Logger;
  readonly directory: OperatorDirectory;
  readonly graceMs: number;
  /** Whether what this operator took and could not deliver is refunded. */
  readonly refunds: (operatorId: number) => boolean;
  readonly onSettled: (rows: readonly SettledRow[]) => void;
}

export class LateResponses {
  readonly #options: LateResponsesOptions;
  readonly #connection: StageConnection;
  readonly #look: Periodic;
  /** By link and sequence; a link's entries are dropped when its session ends. */
  readonly #expected = new Map<string, Map<number, UnansweredSubmit>>();
  /** By message, in the order in which they are looked at. */
  readonly #arrived = new Map<number, Arrived[]>();
  #waiting = 0;

  constructor(options: LateResponsesOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#look = new Periodic({
      everyMs: LOOK_EVERY_MS,
      run: () => this.#round(),
      onError: (error) => options.log.warn({ err: error }, 'late responses could not be recorded'),
    });
  }

  start(): void {
    this.#look.start();
  }

  /** Responses that were not dealt with by then are dropped, and their segments stay unknown. */
  async stop(): Promise<void> {
    await this.#look.stop();
    try {
      for (let more = true, round = 0; more && round < MAX_ARRIVED / MAX_BATCH; round += 1) more = await this.#round();
    } catch (error) {
      this.#options.log.warn({ err: error, responses: this.#waiting }, 'late responses were not recorded');
    }
  }

  /** This submit has no response in time; one may still come over the same session. */
  expect(link: string, sequence: number, submit: UnansweredSubmit): void {
    const expected = this.#expected.get(link) ?? new Map<number, UnansweredSubmit>();
    this.#expected.set(link, expected);
    expected.set(sequence, submit);
    if (expected.size <= MAX_EXPECTED) return;
    for (const oldest of expected.keys()) {
      expected.delete(oldest);
      return;
    }
  }

  /** The link's session ended: its sequence numbers begin anew. */
  forget(link: string): void {
    this.#expected.delete(link);
  }

  /** A response came after its time; those to anything but a submit are ignored. */
  answered(link: string, sequence: number, status: number, operatorMessageId: string): void {
    const submit = this.#expected.get(link)?.get(sequence);
    if (!submit) return;
    this.#expected.get(link)?.delete(sequence);
    const { log } = this.#options;
    const { operatorId, msgid, segment } = submit;
    log.info(
      { link, sequence, operatorId, msgid, segment, status, operatorMessageId },
      'a response came after its time',
    );
    if (this.#waiting >= MAX_ARRIVED) return;
    const giveUpAtMs = performance.now() + PATIENCE_MS;
    this.#wait({ ...submit, link, sequence, status, operatorMessageId, giveUpAtMs });
    this.#look.soon(GATHER_MS);
  }

  /** Whether a late response says that this segment was taken and is not recorded yet: no other copy may be sent. */
  saysTaken(msgid: number, segment: number): boolean {
    return this.#arrived.get(msgid)?.some((late) => late.segment === segment && late.status === 0) ?? false;
  }

  #wait(late: Arrived): void {
    const others = this.#arrived.get(late.msgid);
    if (others) others.push(late);
    else this.#arrived.set(late.msgid, [late]);
    this.#waiting += 1;
  }

  #forgetArrived(late: Arrived): void {
    const left = this.#arrived.get(late.msgid)?.filter((other) => other !== late) ?? [];
    if (left.length > 0) this.#arrived.set(late.msgid, left);
    else this.#arrived.delete(late.msgid);
    this.#waiting -= 1;
  }

  /** Gives whether some were not looked at. Responses that have to wait go to the end of the line. */
  async #round(): Promise<boolean> {
    if (this.#waiting === 0) return false;
    const batch = oneOfEachMessage(this.#arrived);
    const later = await this.#record(batch);
    for (const late of batch) this.#forgetArrived(late);
    const more = this.#waiting > 0 && later.length === 0;
    for (const late of later) this.#wait(late);
    return more;
  }

  /** Gives the responses whose message has no outcome yet. One that the database refuses is ignored. */
  async #record(batch: readonly Arrived[]): Promise<Arrived[]> {
    try {
      const { dealt, later } = await this.#connection.transaction(async (tx) => {
        const dealt = await this.#deal(tx, batch);
        const left = batch.filter(({ msgid }) => !dealt.msgids.has(msgid));
        return { dealt, later: left.length > 0 ? await this.#showOrWait(tx, left) : [] };
      });
      if (dealt.settled.length > 0) this.#options.onSettled(dealt.settled);
      await this.#settle(dealt.joined);
      return later;
    } catch (error) {
      if (!isRowFault(error)) throw error;
      if (batch.length > 1) return inHalves(batch, (half) => this.#record(half));
      this.#options.log.error({ err: error, msgid: batch[0]?.msgid }, 'the database refuses a late response');
      return [];
    }
  }

  /**
   * For responses that changed nothing: gives those whose message has no outcome yet, and notes the others as events.
   */
  async #showOrWait(tx: Queryable, left: readonly Arrived[]): Promise<Arrived[]> {
    const msgids = left.map(({ msgid }) => msgid);
    const queued = await stillQueued(tx, msgids);
    const later = left.filter(({ msgid, giveUpAtMs }) => queued.has(msgid) && performance.now() < giveUpAtMs);
    const shown = left.filter((late) => !later.includes(late));
    const event = { atMs: this.#options.clock.now(), kind: 'late-response', detail: undefined };
    if (shown.length > 0) await noteEvents(tx, eventsOf(shown, msgids, event));
    return later;
  }

  async #deal(tx: Queryable, batch: readonly Arrived[]): Promise<Dealt> {
    const dealt: Dealt = { msgids: new Set(), joined: [], settled: [] };
    const taken = batch.filter(({ status }) => status === 0);
    if (taken.length > 0) await this.#take(tx, taken, dealt);
    const refused = batch.filter(({ status }) => status !== 0);
    if (refused.length > 0) await this.#refuse(tx, refused, dealt);
    return dealt;
  }

  async #take(tx: Queryable, taken: readonly Arrived[], dealt: Dealt): Promise<void> {
    const byMsgid = new Map(taken.map((late) => [late.msgid, late]));
    const named = taken.filter(({ operatorMessageId }) => operatorMessageId !== '');
    const waiting = named.length > 0 ? await takeWaiting(tx, named) : [];
    const queued = await markTaken(tx, taken);
    const segments = [
      ...waiting.map((row) => segmentOf(row, byMsgid, row.untilMs, false)),
      ...queued.map((row) => segmentOf(row, byMsgid, row.untilMs + this.#options.graceMs, row.whole)),
    ].filter((segment) => segment !== undefined);
    if (segments.length === 0) return;
    dealt.joined.push(...(await recordSegments(tx, segments)));
    for (const { msgid } of segments) dealt.msgids.add(msgid);
  }

  async #refuse(tx: Queryable, refused: readonly Arrived[], dealt: Dealt): Promise<void> {
    const nowMs = this.#options.clock.now();
    const judged = refused.map((late) => ({ ...late, state: this.#meaningOf(late) }));
    const forNow = (state: string): boolean => state === 'retry' || state === 'throttled' || state === 'queue-full';
    const forGood = judged.filter(({ only, state }) => only && !forNow(state));
    const temporary = judged.filter(({ only, state }) => only && forNow(state));
    const again = judged.filter(({ only }) => !only);
    if (forGood.length > 0) {
      const ended = await endRefusedLate(tx, nowMs, forGood);
      dealt.settled.push(...ended.settled);
      for (const msgid of ended.msgids) dealt.msgids.add(msgid);
    }
    const putOff = temporary.length > 0 ? await repeatRefused(tx, nowMs + RETRY_PAUSE_MS, temporary) : [];
    const counted = again.length > 0 ? await countResendBack(tx, again) : [];
    const tried = `refused after its time; tried again in ${RETRY_PAUSE_MS / 1000} s`;
    const first = 'refused after its time; the next submit counts as the first';
    const noted = [
      ...eventsOf(temporary, putOff, { atMs: nowMs, kind: 'put-off', detail: tried }),
      ...eventsOf(again, counted, { atMs: nowMs, kind: 'late-response', detail: first }),
    ];
    if (noted.length > 0) await noteEvents(tx, noted);
    for (const msgid of [...putOff, ...counted]) dealt.msgids.add(msgid);
  }

  #meaningOf({ status, operatorId }: Arrived): string {
    return stateOfCommandStatus(status, this.#options.directory.find(operatorId)?.settings.statusOverrides ?? {});
  }

  /**
   * As of any other segment whose receipt was first: in a transaction of its own, and what fails is left to the sweep.
   */
  async #settle(joined: Dealt['joined']): Promise<void> {
    if (joined.length === 0) return;
    const { clock, log, onSettled, refunds } = this.#options;
    try {
      onSettled(await settleJoined(this.#connection, clock.now(), joined, refunds));
    } catch (error) {
      log.warn({ err: error, segments: joined.length }, 'early receipts were left to the sweep');
    }
  }
}

/** Schedules submits that were refused for now to be repeated; gives their msgids. */
async function repeatRefused(tx: Queryable, dueAtMs: number, refused: readonly Arrived[]): Promise<number[]> {
  const whole = await putOffRefusedLate(tx, dueAtMs, refused);
  const left = refused.filter(
    ({ msgid, concatenationReference }) => concatenationReference !== undefined && !whole.includes(msgid),
  );
  return left.length > 0 ? [...whole, ...(await putOffSegmentsRefusedLate(tx, dueAtMs, left))] : whole;
}

/** The oldest response of each message, so that no statement has a message twice. */
function oneOfEachMessage(arrived: ReadonlyMap<number, readonly Arrived[]>): Arrived[] {
  const chosen: Arrived[] = [];
  for (const [late] of arrived.values()) {
    if (chosen.length >= MAX_BATCH) break;
    if (late) chosen.push(late);
  }
  return chosen;
}

function segmentOf(
  row: StoredSegment,
  byMsgid: ReadonlyMap<number, Arrived>,
  overdueAtMs: number,
  last: boolean,
): SubmittedSegment | undefined {
  const late = byMsgid.get(row.msgid);
  if (!late) return undefined;
  return {
    msgid: row.msgid,
    operatorId: late.operatorId,
    segment: row.segment,
    segments: row.segments,
    mobile: row.mobile,
    operatorMessageId: late.operatorMessageId || undefined,
    reference: late.reference,
    link: late.link,
    sequence: late.sequence,
    submittedAtMs: late.submittedAtMs,
    overdueAtMs,
    detail: 'the response came after its time',
    last,
  };
}

function eventsOf(
  late: readonly Arrived[],
  msgids: readonly number[],
  event: { atMs: number; kind: string; detail: string | undefined },
): SubmitEvent[] {
  const wanted = new Set(msgids);
  return late
    .filter(({ msgid }) => wanted.has(msgid))
    .map(({ msgid, operatorId, segment, link, sequence, status, operatorMessageId }) => ({
      ...event,
      msgid,
      operatorId,
      segment,
      link,
      sequence,
      status,
      operatorMessageId: operatorMessageId || undefined,
    }));
}
