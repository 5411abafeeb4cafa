/** What the database says became of the calls of a run, and whether its accounts agree with it. */
import type { Database } from '../src/store/database.ts';
import { checkLedger } from '../src/store/ledger.ts';

const WITHOUT_END = { name: 'bench-calls-without-end', text: 'SELECT msgid FROM calls WHERE state IS NULL' };

export interface FinalCallStates {
  readonly withoutEnd: ReadonlySet<number>;
  /** Accounts whose balance is not what their movements, messages and calls say. */
  readonly ledgerMismatches: number;
}

/** Asked when the platform is idle. */
export async function readFinalCallStates(database: Database): Promise<FinalCallStates> {
  const rows = await database.query<{ msgid: number }>(WITHOUT_END, []);
  const { mismatches } = await checkLedger(database);
  return { withoutEnd: new Set(rows.map((row) => row.msgid)), ledgerMismatches: mismatches.length };
}
