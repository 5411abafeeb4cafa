/**
 * The messages of one batch that are claimed in the statement that accepts them, so that they reach this node's links
 * without a separate claim. An operator's links offer room for them only while nothing older waits; messages that find
 * no room wait in the queue like all others.
 */
import type { AcceptedBatch, AcceptRow } from '../store/acceptance.ts';
import type { QueuedMessage, QueueHolder } from '../store/queue.ts';

interface Part {
  readonly holder: QueueHolder;
  readonly rows: AcceptRow[];
  room: number;
  leftSome: boolean;
}

export class HandOver {
  readonly #holderOf: (operatorId: number) => QueueHolder | undefined;
  readonly #parts = new Map<number, Part | undefined>();
  #epoch: number | undefined;

  constructor(holderOf: (operatorId: number) => QueueHolder | undefined) {
    this.#holderOf = holderOf;
  }

  /** The epoch for which rows are claimed; undefined: none is claimed. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** Decides whether a row is claimed from the start. Call it in the batch's order. */
  add(row: Omit<AcceptRow, 'claimed'>): AcceptRow {
    const part = row.dueAtMs === undefined ? this.#partOf(row.operatorId) : undefined;
    if (!part) return { ...row, claimed: false };
    // A message must not overtake one that was left behind.
    if (part.leftSome || part.room < row.segments) {
      part.leftSome = true;
      return { ...row, claimed: false };
    }
    part.room -= row.segments;
    const claimed = { ...row, claimed: true };
    part.rows.push(claimed);
    return claimed;
  }

  /** The batch is committed. Gives the operators for which some of it now waits in the queue. */
  committed(outcome: {
    rows: readonly AcceptRow[];
    rejected: ReadonlySet<number>;
    claimed: AcceptedBatch['claimed'];
    acceptedAtMs: number;
  }): ReadonlySet<number> {
    for (const [operatorId, part] of this.#parts) {
      if (!part) continue;
      // If it is missing, the epoch ended before the statement ran, and the rows are not claimed.
      const claimed = outcome.claimed.get(operatorId);
      const taken = claimed ? part.rows.filter((row) => !outcome.rejected.has(row.msgid)) : [];
      const messages = taken.map((row) => claimedMessage(row, claimed?.claim ?? 0, outcome.acceptedAtMs));
      part.holder.take(messages, claimed?.rank ?? 0, part.leftSome || !claimed);
    }
    const waiting = new Set<number>();
    for (const row of outcome.rows) {
      if (!row.claimed && row.dueAtMs === undefined && !outcome.rejected.has(row.msgid)) waiting.add(row.operatorId);
    }
    return waiting;
  }

  /** Certainly nothing was committed. */
  failed(): void {
    for (const part of this.#parts.values()) part?.holder.take([], 0, false);
  }

  /** Nobody knows whether the batch was committed with its claims. */
  lost(): void {
    for (const part of this.#parts.values()) part?.holder.lost();
  }

  #partOf(operatorId: number): Part | undefined {
    if (this.#parts.has(operatorId)) return this.#parts.get(operatorId);
    const holder = this.#holderOf(operatorId);
    const part = holder && { holder, rows: [], room: holder.room, leftSome: false };
    this.#parts.set(operatorId, part);
    // A statement claims for one epoch only. A different one means that the lease ended in between.
    this.#epoch ??= holder?.epoch;
    if (part && holder.epoch !== this.#epoch) part.room = 0;
    return part;
  }
}

function claimedMessage(row: AcceptRow, claim: number, acceptedAtMs: number): QueuedMessage {
  return {
    msgid: row.msgid,
    claim,
    accountId: row.accountId,
    mobile: row.mobile,
    body: row.body,
    segments: row.segments,
    sourceAddress: row.sourceAddress,
    acceptedAtMs,
    expiresAtMs: acceptedAtMs + row.validitySeconds * 1000,
    sentMask: 0,
    reference: undefined,
    attempts: 0,
    resends: 0,
  };
}
