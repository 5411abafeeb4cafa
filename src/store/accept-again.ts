/**
 * Runs a charged batch again after its outcome was lost. The accounts are locked first: a first attempt that still runs
 * holds these locks, so that afterwards it is either visible or will fail on the msgids stored here.
 */
import type { RejectedRow } from './charged-batches.ts';
import type { Queryable, StageConnection, Statement } from './database.ts';
import { recountPoints } from './running-sums.ts';

interface ChargedRow {
  readonly msgid: number;
  readonly accountId: number;
  readonly points: number;
  readonly runningPoints: number;
}

const LOCK_ACCOUNTS: Statement = {
  name: 'lock-accounts',
  text: 'SELECT account_id FROM accounts WHERE account_id = ANY ($1::int[]) ORDER BY account_id FOR NO KEY UPDATE',
};

/**
 * @param batch.stored which of the msgids in $1 are stored, as rows with `msgid`
 * @param batch.accept charges and stores rows; called with those that are not stored yet, if there are any
 */
export function acceptAgain<Row extends ChargedRow>(
  connection: StageConnection,
  rows: readonly Row[],
  batch: { stored: Statement; accept: (tx: Queryable, missing: readonly Row[]) => Promise<readonly RejectedRow[]> },
): Promise<readonly RejectedRow[]> {
  return connection.transaction(async (tx) => {
    await tx.query(LOCK_ACCOUNTS, [rows.map((row) => row.accountId)]);
    const stored = await tx.query<{ msgid: number }>(batch.stored, [rows.map((row) => row.msgid)]);
    const known = new Set(stored.map((row) => row.msgid));
    const missing = rows.filter((row) => !known.has(row.msgid));
    return missing.length === 0 ? [] : batch.accept(tx, recountPoints(missing));
  });
}
