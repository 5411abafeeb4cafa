/** What the database says became of the messages of a run, and whether its accounts agree with it. */
import type { Database } from '../src/store/database.ts';
import { checkLedger } from '../src/store/ledger.ts';

const NOT_DELIVERED = {
  name: 'bench-not-delivered',
  text: "SELECT msgid, coalesce(state, 'no state') AS state FROM messages WHERE state IS DISTINCT FROM 'DELIVRD'",
};

export interface FinalStates {
  /** msgids that did not end as DELIVRD. */
  readonly notDelivered: ReadonlySet<number>;
  /** Accounts whose balance is not what their movements and messages say. */
  readonly ledgerMismatches: number;
}

/** Asked when the platform is idle. */
export async function readFinalStates(database: Database): Promise<FinalStates> {
  const rows = await database.query<{ msgid: number }>(NOT_DELIVERED, []);
  const { mismatches } = await checkLedger(database);
  return { notDelivered: new Set(rows.map((row) => row.msgid)), ledgerMismatches: mismatches.length };
}
