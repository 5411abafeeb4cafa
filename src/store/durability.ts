/**
 * Finds server settings that break the promise that an answered request is on disk. It only reports them and changes
 * nothing: a server without fsync is right for a test, as long as whoever runs it knows what is at stake.
 */
import type { Database, Statement } from './database.ts';

export interface DurabilityRisk {
  /** As in postgresql.conf. */
  readonly setting: 'fsync' | 'full_page_writes' | 'synchronous_commit' | 'synchronous_standby_names';
  /** What may be lost, in one line. */
  readonly warning: string;
}

/** What holds for a stage's own connection: role and database may override the server's file. */
const EFFECTIVE: Statement = {
  name: 'durability-settings',
  text: `SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
                current_setting('synchronous_commit') AS synchronous_commit,
                current_setting('synchronous_standby_names') AS synchronous_standby_names`,
};

/** The risks of the database in use, none when all is well; asked over a connection like those that commit. */
export async function durabilityRisks(database: Database): Promise<DurabilityRisk[]> {
  const connection = database.stage();
  try {
    const [row] = await connection.query<Record<DurabilityRisk['setting'], string>>(EFFECTIVE, []);
    return row ? risksOf(row, database.severalHosts) : [];
  } finally {
    await connection.stop();
  }
}

function risksOf(settings: Record<DurabilityRisk['setting'], string>, severalHosts: boolean): DurabilityRisk[] {
  const { fsync, full_page_writes, synchronous_commit, synchronous_standby_names } = settings;
  const risks: DurabilityRisk[] = [];
  if (fsync === 'off') {
    const warning =
      'fsync is off: when the machine of the database stops, messages that were answered with 00000 may be lost, and the whole database with them';
    risks.push({ setting: 'fsync', warning });
  }
  if (full_page_writes === 'off') {
    const warning =
      'full_page_writes is off: when the machine of the database stops in the middle of a write, the database may be damaged beyond repair';
    risks.push({ setting: 'full_page_writes', warning });
  }
  if (synchronous_commit === 'off') {
    const warning =
      'synchronous_commit is off: when the database crashes, messages that were answered with 00000 in its last moments are lost, and those sent in them may be sent again';
    risks.push({ setting: 'synchronous_commit', warning });
  }
  const replicated = synchronous_standby_names !== '' && /^(on|remote_apply|remote_write)$/.test(synchronous_commit);
  if (severalHosts && !replicated && synchronous_commit !== 'off') {
    const warning =
      'no standby has to confirm a commit (synchronous_standby_names, synchronous_commit): what was answered with 00000 just before a fail-over may be lost';
    risks.push({ setting: 'synchronous_standby_names', warning });
  }
  return risks;
}
