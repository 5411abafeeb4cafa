/**
 * What acceptances of messages and of calls have in common: msgids for a batch, the reasons of rows that were turned
 * down, and asking again after a lost commit. What a batch is and how it is stored is for its product to say.
 */
import { LAST_MSGID, MSGID_BLOCK_SIZE, takeMsgidBlock } from './acceptance.ts';
import { type Database, isRowFault } from './database.ts';

/** How long a lost commit is asked after before the connections are closed without an answer. */
const RESOLVE_WITHIN_MS = 50_000;
const RESOLVE_PAUSE_MS = 250;

export class MsgidBlocks {
  readonly #database: Database;
  #next = 0;
  #end = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The first of `count` ids. Those of one batch never span two blocks, so that a ledger row's first and last enclose no other node's. */
  async take(count: number): Promise<number> {
    if (this.#next + count > this.#end) {
      this.#next = await takeMsgidBlock(this.#database);
      this.#end = Math.min(this.#next + MSGID_BLOCK_SIZE, LAST_MSGID + 1);
    }
    const first = this.#next;
    this.#next += count;
    return first;
  }
}

interface ChargedRow {
  readonly msgid: number;
  readonly accountId: number;
  readonly points: number;
}

interface TurnedDown {
  readonly msgid: number;
  /** The account's settings changed since the request was authenticated. */
  readonly stale: boolean;
  readonly balance: number;
}

/** `again`: only rows before it that were turned down themselves kept the balance from covering it. */
export type ChargeVerdict = 'accepted' | 'account-changed' | 'insufficient-points' | 'again';

/** What became of each row of a batch of which the statement turned some down. */
export function judgeCharges(rows: readonly ChargedRow[], rejected: readonly TurnedDown[]): ChargeVerdict[] {
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

/** What each account that had rows turned down has left after the rows that were taken. */
function balancesLeft(
  rows: readonly ChargedRow[],
  rejected: ReadonlyMap<number, TurnedDown>,
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

/** Runs the identical batch until the database says what became of it; `unresolved` when it has not within the time. */
export async function askUntilKnown<Rejected>(
  again: () => Promise<readonly Rejected[]>,
  withinMs = RESOLVE_WITHIN_MS,
): Promise<readonly Rejected[] | 'row-fault' | 'unresolved'> {
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
