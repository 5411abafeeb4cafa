/**
 * Accepts messages or calls in batches, each charged and stored by one statement, and tells every request how it ended.
 * A batch whose commit was lost is run again, unchanged, until its outcome is known. A row that breaks the
 * statement fails alone. What a row is, and how it is stored, is up to the product.
 */
import { FeigeError } from '../base/errors.ts';
import { GroupCommit } from '../base/group-commit.ts';
import { inHalves } from '../base/halves.ts';
import type { Logger } from '../base/log.ts';
import { isConnectionLoss, isRowFault, isTransient } from './database.ts';

/** Larger batches no longer pay: the statement grows with them. */
const MAX_BATCH = 500;
/** Requests waiting for a commit; beyond this many, further ones are turned away and nothing of them is stored. */
const MAX_WAITING = 10_000;
/** How long the outcome of a lost commit is looked for; after that the connections are closed without an answer. */
const RESOLVE_WITHIN_MS = 50_000;
const RESOLVE_PAUSE_MS = 250;

export type AcceptOutcome =
  | { readonly kind: 'accepted'; readonly msgid: number }
  | { readonly kind: 'insufficient-points' }
  /** The account's settings changed since it was read: read it again and judge again. */
  | { readonly kind: 'account-changed' }
  /** Certainly not stored, not charged. */
  | { readonly kind: 'not-stored' }
  /** The database can't be reached; certainly not stored, not charged. */
  | { readonly kind: 'unreachable' }
  /** Nobody knows whether it was stored, so the client must not be told either way. */
  | { readonly kind: 'unresolved' };

const INSUFFICIENT: AcceptOutcome = { kind: 'insufficient-points' };
const CHANGED: AcceptOutcome = { kind: 'account-changed' };
export const NOT_STORED: AcceptOutcome = { kind: 'not-stored' };
const UNREACHABLE: AcceptOutcome = { kind: 'unreachable' };
const UNRESOLVED: AcceptOutcome = { kind: 'unresolved' };

interface ChargedRow {
  readonly msgid: number;
  readonly accountId: number;
  readonly points: number;
}

/** A row that the statement did not take, and why. */
export interface RejectedRow {
  readonly msgid: number;
  /** The account's settings changed since the request was authenticated, or its operator was removed. */
  readonly stale: boolean;
  readonly balance: number;
}

/** One try of a batch: its rows, in the batch's order, and what stores them. */
export interface BatchAttempt {
  readonly rows: readonly ChargedRow[];
  /** Charges and stores what the balances cover; gives the rows it did not take. */
  readonly store: () => Promise<readonly RejectedRow[]>;
  /** Does the same with the identical rows after their outcome was lost; rows stored by then are left as they are. */
  readonly storeAgain: () => Promise<readonly RejectedRow[]>;
  /** Called when `store` failed and certainly committed nothing. */
  readonly nothingStored: () => void;
  /** Called when `store` failed and may have committed; after `storeAgain`, whatever that found out. */
  readonly outcomeLost: () => void;
}

export interface ChargedBatchesOptions<Item> {
  /** What the items are called in the log. */
  readonly noun: 'messages' | 'calls';
  readonly log: Logger;
  /** How long the first item of a batch waits for others. */
  readonly lingerMs: number;
  readonly prepare: (items: readonly Item[]) => Promise<BatchAttempt>;
  readonly onBatch: (items: number) => void;
  readonly onUnresolved: (items: number) => void;
  /** How long the outcome of a lost commit is looked for; undefined: 50 s. */
  readonly resolveWithinMs: number | undefined;
}

export class ChargedBatches<Item> {
  readonly #options: ChargedBatchesOptions<Item>;
  readonly #commits: GroupCommit<Item, AcceptOutcome>;

  constructor(options: ChargedBatchesOptions<Item>) {
    this.#options = options;
    this.#commits = new GroupCommit({
      maxBatch: MAX_BATCH,
      lingerMs: options.lingerMs,
      maxWaiting: MAX_WAITING,
      run: (batch) => {
        options.onBatch(batch.length);
        return this.#acceptAll(batch);
      },
    });
  }

  /** Never rejects. */
  accept(item: Item): Promise<AcceptOutcome> {
    return this.#commits.submit(item) ?? Promise.resolve(NOT_STORED);
  }

  /** Resolves when everything that waits is committed. */
  stop(): Promise<void> {
    return this.#commits.drain();
  }

  /** Never rejects: a part of a batch that is tried by itself fails by itself, since other parts may be committed. */
  async #acceptAll(batch: readonly Item[]): Promise<AcceptOutcome[]> {
    try {
      return await this.#tryAll(batch);
    } catch (error) {
      const { log, noun } = this.#options;
      log.error({ err: error, [noun]: batch.length }, `a batch of ${noun} could not be stored`);
      const unreachable = error instanceof FeigeError || isConnectionLoss(error);
      return batch.map(() => (unreachable ? UNREACHABLE : NOT_STORED));
    }
  }

  /** Throws only when nothing of this batch was stored. */
  async #tryAll(batch: readonly Item[]): Promise<AcceptOutcome[]> {
    const attempt = await this.#options.prepare(batch);
    const rejected = await this.#store(attempt);
    if (rejected === 'unresolved') {
      this.#options.onUnresolved(batch.length);
      return batch.map(() => UNRESOLVED);
    }
    if (rejected === 'row-fault') return this.#inHalves(batch);
    return this.#judge(batch, attempt.rows, rejected);
  }

  async #store(attempt: BatchAttempt): Promise<readonly RejectedRow[] | 'row-fault' | 'unresolved'> {
    try {
      return await attempt.store();
    } catch (error) {
      const rowFault = isRowFault(error);
      if (rowFault || error instanceof FeigeError) attempt.nothingStored();
      if (error instanceof FeigeError) throw error;
      if (rowFault) return 'row-fault';
      try {
        return await this.#resolve(attempt, error);
      } finally {
        attempt.outcomeLost();
      }
    }
  }

  /** Runs the identical batch until the database says what became of it. */
  async #resolve(attempt: BatchAttempt, error: unknown): Promise<readonly RejectedRow[] | 'row-fault' | 'unresolved'> {
    const { log, noun, resolveWithinMs } = this.#options;
    const count = { [noun]: attempt.rows.length };
    if (!isTransient(error)) {
      if (!isConnectionLoss(error)) throw error;
      log.warn({ err: error, ...count }, 'the outcome of a commit is unknown; asking again');
    }
    const known = await askUntilKnown(attempt.storeAgain, resolveWithinMs ?? RESOLVE_WITHIN_MS);
    if (known === 'unresolved') log.error(count, 'the outcome of a commit stays unknown');
    return known;
  }

  /** A row that breaks the statement must not fail its neighbours: the batch is halved, down to the one row. */
  async #inHalves(batch: readonly Item[]): Promise<AcceptOutcome[]> {
    return batch.length === 1 ? [NOT_STORED] : inHalves(batch, (half) => this.#acceptAll(half));
  }

  /** Rows that only rejected rows before them kept from being covered by the balance go again, without those. */
  async #judge(
    batch: readonly Item[],
    rows: readonly ChargedRow[],
    rejected: readonly RejectedRow[],
  ): Promise<AcceptOutcome[]> {
    const again: number[] = [];
    const outcomes = judgeCharges(rows, rejected).map((verdict, index): AcceptOutcome => {
      if (verdict === 'accepted') return { kind: 'accepted', msgid: rows[index]?.msgid ?? 0 };
      if (verdict === 'again') again.push(index);
      return verdict === 'account-changed' ? CHANGED : INSUFFICIENT;
    });
    if (again.length === 0) return outcomes;
    const second = await this.#acceptAll(again.map((index) => batch[index] as Item));
    for (const [place, index] of again.entries()) outcomes[index] = second[place] ?? NOT_STORED;
    return outcomes;
  }
}

/** `again`: the balance would cover it if the rejected rows before it were left out. */
type ChargeVerdict = 'accepted' | 'account-changed' | 'insufficient-points' | 'again';

/** What became of each row of a batch, given the rows that the statement did not take. */
export function judgeCharges(rows: readonly ChargedRow[], rejected: readonly RejectedRow[]): ChargeVerdict[] {
  if (rejected.length === 0) return rows.map(() => 'accepted');
  const reasons = new Map(rejected.map((row) => [row.msgid, row]));
  const left = balancesLeft(rows, reasons);
  return rows.map((row) => {
    const reason = reasons.get(row.msgid);
    if (!reason) return 'accepted';
    if (reason.stale) return 'account-changed';
    return row.points > (left.get(row.accountId) ?? 0) ? 'insufficient-points' : 'again';
  });
}

/** For each account with rejected rows, the balance that is left after the rows that were taken. */
function balancesLeft(
  rows: readonly ChargedRow[],
  rejected: ReadonlyMap<number, RejectedRow>,
): ReadonlyMap<number, number> {
  const left = new Map<number, number>();
  for (const row of rows) {
    const reason = rejected.get(row.msgid);
    if (reason) left.set(row.accountId, left.get(row.accountId) ?? reason.balance);
  }
  for (const row of rows) {
    const balance = left.get(row.accountId);
    if (balance !== undefined && !rejected.has(row.msgid)) left.set(row.accountId, balance - row.points);
  }
  return left;
}

async function askUntilKnown(
  again: () => Promise<readonly RejectedRow[]>,
  withinMs: number,
): Promise<readonly RejectedRow[] | 'row-fault' | 'unresolved'> {
  const deadlineMs = performance.now() + withinMs;
  while (performance.now() < deadlineMs) {
    try {
      return await again();
    } catch (error) {
      if (isRowFault(error)) return 'row-fault';
      await new Promise((resolve) => setTimeout(resolve, RESOLVE_PAUSE_MS));
    }
  }
  return 'unresolved';
}
