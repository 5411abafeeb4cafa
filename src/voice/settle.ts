/**
 * Records what becomes of claimed calls, without delay and many in one transaction: that a call is about to be dialled,
 * was answered, has ended, or goes back to the queue. While the database is away, a batch is tried again.
 */
import type { Clock } from '../base/clock.ts';
import { GroupCommit } from '../base/group-commit.ts';
import type { Logger } from '../base/log.ts';
import {
  type CallClaim,
  type CallEvent,
  giveBackCalls,
  markAnswered,
  markDialled,
  noteCallEvents,
  type ReturnedCall,
} from '../store/call-queue.ts';
import { type EndedCall, type SettledCall, settleCalls } from '../store/call-settlement.ts';
import { type Database, isRowFault, type Queryable, type StageConnection } from '../store/database.ts';
import { RefusedEnds } from './refused-ends.ts';

const MAX_BATCH = 500;
/** An INVITE waits for it. */
const LINGER_MS = 5;
/** The calls of a node bound it; this only catches a mistake. */
const MAX_WAITING = 100_000;
const RETRY_PAUSE_MS = 200;

export type CallNote =
  | ({ readonly kind: 'dialling'; readonly epoch: number } & CallClaim)
  | ({ readonly kind: 'answered'; readonly epoch: number; readonly atMs: number } & CallClaim)
  | { readonly kind: 'ended'; readonly ended: EndedCall; readonly events: readonly CallEvent[] }
  /** An end that is tried again after it was refused. */
  | { readonly kind: 'ended-again'; readonly ended: EndedCall; readonly bare: boolean }
  | {
      readonly kind: 'returned';
      readonly epoch: number;
      readonly returned: ReturnedCall;
      readonly events: readonly CallEvent[];
    }
  | { readonly kind: 'events'; readonly events: readonly CallEvent[] };

export interface CallRecorderOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onSettled: (calls: readonly SettledCall[]) => void;
  /** See `RefusedEnds`. */
  readonly refusedPausesMs?: readonly number[];
}

export class CallRecorder {
  readonly #options: CallRecorderOptions;
  readonly #connection: StageConnection;
  readonly #commits: GroupCommit<CallNote, boolean>;
  readonly #refused: RefusedEnds;
  #givingUp = false;

  constructor(options: CallRecorderOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#commits = new GroupCommit({
      maxBatch: MAX_BATCH,
      lingerMs: LINGER_MS,
      maxWaiting: MAX_WAITING,
      run: (batch) => this.#record(batch),
    });
    this.#refused = new RefusedEnds({
      log: options.log,
      settle: (ended, { bare }) => this.note({ kind: 'ended-again', ended, bare }),
      ...(options.refusedPausesMs !== undefined && { pausesMs: options.refusedPausesMs }),
    });
  }

  /**
   * Resolves once it is committed, or given up at the end. For `dialling`: whether this claim still holds and the call
   * may be dialled; true for everything else that was committed. Never rejects.
   */
  async note(note: CallNote): Promise<boolean> {
    return (await this.#commits.submit(note)) ?? false;
  }

  /** After `afterMs`, notes that the database does not take are left for the node that takes over. */
  giveUpAfter(afterMs: number): void {
    setTimeout(() => {
      this.#givingUp = true;
    }, afterMs).unref();
  }

  /** Resolves when everything is committed or given up. */
  stop(): Promise<void> {
    this.#refused.stop();
    return this.#commits.drain();
  }

  async #record(batch: readonly CallNote[]): Promise<boolean[]> {
    for (;;) {
      try {
        const { dialled, settled } = await this.#connection.transaction((tx) =>
          writeNotes(tx, this.#options.clock.now(), batch),
        );
        if (settled.length > 0) this.#options.onSettled(settled);
        return batch.map((note) => note.kind !== 'dialling' || dialled.has(keyOf(note)));
      } catch (error) {
        this.#options.log.error({ err: error, notes: batch.length }, 'what became of calls could not be recorded');
        if (this.#givingUp) return batch.map(() => false);
        if (isRowFault(error)) return this.#oneByOne(batch);
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
      }
    }
  }

  /** A refused note fails none of its neighbours. An end is tried without its events, then without its reason. */
  async #oneByOne(batch: readonly CallNote[]): Promise<boolean[]> {
    const [note, ...others] = batch;
    if (note === undefined) return [];
    if (others.length > 0) {
      const results: boolean[] = [];
      for (const one of batch) results.push(...(await this.#record([one])));
      return results;
    }
    if ((note.kind === 'ended' || note.kind === 'returned') && note.events.length > 0) {
      return this.#record([{ ...note, events: [] }]);
    }
    if (note.kind === 'ended') {
      if (note.ended.reason !== undefined)
        return this.#record([{ ...note, ended: { ...note.ended, reason: undefined } }]);
      this.#refused.add(note.ended);
    }
    return [false];
  }
}

export interface WrittenNotes {
  /** Of the claims about to be dialled, the keys of those that still hold. */
  readonly dialled: ReadonlySet<string>;
  readonly settled: readonly SettledCall[];
}

/** All of these at once, or none. */
export async function writeNotes(tx: Queryable, nowMs: number, notes: readonly CallNote[]): Promise<WrittenNotes> {
  const dialled = new Set<string>();
  for (const [epoch, dialling] of byEpoch(notes.filter((note) => note.kind === 'dialling')))
    for (const held of await markDialled(tx, epoch, dialling)) dialled.add(keyOf(held));
  for (const [epoch, answered] of byEpoch(notes.filter((note) => note.kind === 'answered')))
    await markAnswered(tx, epoch, answered);
  for (const [epoch, back] of byEpoch(notes.filter((note) => note.kind === 'returned'))) {
    await giveBackCalls(
      tx,
      epoch,
      back.map((note) => note.returned),
    );
  }
  const events = notes.flatMap((note) => ('events' in note ? note.events : []));
  if (events.length > 0) await noteCallEvents(tx, events);
  const settled = [...(await settle(tx, nowMs, notes, false)), ...(await settle(tx, nowMs, notes, true))];
  return { dialled, settled };
}

async function settle(tx: Queryable, nowMs: number, notes: readonly CallNote[], bare: boolean): Promise<SettledCall[]> {
  const ended = notes.flatMap((note) => {
    if (note.kind === 'ended') return bare ? [] : [note.ended];
    return note.kind === 'ended-again' && note.bare === bare ? [note.ended] : [];
  });
  return ended.length === 0 ? [] : settleCalls(tx, nowMs, ended, { bare });
}

/** A batch may hold two claims of one call. */
function keyOf({ msgid, claim }: CallClaim): string {
  return `${msgid}/${claim}`;
}

function byEpoch<Note extends { readonly epoch: number }>(notes: readonly Note[]): Map<number, Note[]> {
  return Map.groupBy(notes, (note) => note.epoch);
}
