/**
 * Two-way numbers: which account owns a short number (SNUMBER, 5 digits, spec §5) and under which address the
 * operator delivers what people send to it. A number or an address belongs to one account at a time.
 */
import type { Database } from './database.ts';

export interface TwoWayNumber {
  snumber: string;
  /** The destination address of incoming messages, as operators write it. */
  address: string;
  username: string;
}

export type AssignedNumber =
  | { kind: 'assigned' }
  | { kind: 'unknown-account' }
  | { kind: 'number-taken'; username: string }
  | { kind: 'address-taken'; snumber: string };

/** Gives a number to an account; a number that is this account's already gets the new address. */
export async function assignNumber(db: Database, number: TwoWayNumber): Promise<AssignedNumber> {
  return db.transaction(async (tx) => {
    // Two administrators at once: the second one sees what the first one did.
    await tx.query({ name: 'numbers.lock', text: 'LOCK TABLE numbers IN SHARE ROW EXCLUSIVE MODE' }, []);
    const accounts = await tx.query<{ accountId: number }>(
      { name: 'numbers.account', text: 'SELECT account_id AS "accountId" FROM accounts WHERE username = $1' },
      [number.username],
    );
    const account = accounts[0];
    if (account === undefined) return { kind: 'unknown-account' };
    const taken = await tx.query<TwoWayNumber & { accountId: number }>(
      {
        name: 'numbers.taken',
        text: `SELECT n.snumber, n.address, n.account_id AS "accountId", a.username
          FROM numbers n JOIN accounts a USING (account_id) WHERE n.snumber = $1 OR n.address = $2`,
      },
      [number.snumber, number.address],
    );
    for (const other of taken) {
      if (other.snumber !== number.snumber) return { kind: 'address-taken', snumber: other.snumber };
      if (other.accountId !== account.accountId) return { kind: 'number-taken', username: other.username };
    }
    await tx.query(
      {
        name: 'numbers.assign',
        text: `INSERT INTO numbers (snumber, address, account_id) VALUES ($1, $2, $3)
          ON CONFLICT (snumber) DO UPDATE SET address = excluded.address`,
      },
      [number.snumber, number.address, account.accountId],
    );
    return { kind: 'assigned' };
  });
}

/** What has arrived stays with the account that had the number then. False: nobody has this number. */
export async function releaseNumber(db: Database, snumber: string): Promise<boolean> {
  const rows = await db.query(
    { name: 'numbers.release', text: 'DELETE FROM numbers WHERE snumber = $1 RETURNING snumber' },
    [snumber],
  );
  return rows.length === 1;
}

export async function listNumbers(db: Database): Promise<TwoWayNumber[]> {
  return db.query<TwoWayNumber>(
    {
      name: 'numbers.list',
      text: `SELECT n.snumber, n.address, a.username FROM numbers n JOIN accounts a USING (account_id) ORDER BY n.snumber`,
    },
    [],
  );
}
