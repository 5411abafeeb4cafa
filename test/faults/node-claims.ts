/**
 * What a node had in its hands when it was killed or stopped, or lost its database: the segments it had claimed and not recorded as taken. All of them
 * are of unknown outcome for whoever takes over, whether they were submitted or not.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Queryable, Statement } from '../../src/store/database.ts';

/** Long beside what a living node needs to bring a claim to its end, short beside a lease. */
const BETWEEN_LOOKS_MS = 150;

const CLAIMS: Statement = {
  name: 'faults.claims',
  text: `SELECT msgid::float8 AS msgid, claimed_by AS epoch, segments - bit_count(sent_mask::int::bit(16))::int AS segments
    FROM queue WHERE claimed_by IS NOT NULL`,
};

interface Claim {
  readonly msgid: number;
  readonly epoch: number;
  readonly segments: number;
}

/** All that nodes have in their hands at this moment, or one of them. */
export async function segmentsClaimed(database: Queryable, epoch?: number): Promise<number> {
  const all = await database.query<Claim>(CLAIMS, []);
  const claims = epoch === undefined ? all : all.filter((claim) => claim.epoch === epoch);
  return claims.reduce((sum, { segments }) => sum + segments, 0);
}

/** Those that stay claimed: what the other node had claimed is mostly done by the second look. */
export async function segmentsLeftClaimed(database: Queryable): Promise<number> {
  const before = await database.query<Claim>(CLAIMS, []);
  await pause(BETWEEN_LOOKS_MS);
  const still = new Set((await database.query<Claim>(CLAIMS, [])).map(nameOf));
  return before.filter((one) => still.has(nameOf(one))).reduce((sum, { segments }) => sum + segments, 0);
}

function nameOf({ msgid, epoch }: Claim): string {
  return `${msgid} ${epoch}`;
}
