/** The platform's time as the database has it, for code that needs it once and follows no clock. */
import type { Queryable, Statement } from './database.ts';

const READ_NOW: Statement = {
  name: 'database-clock.now',
  text: `SELECT (extract(epoch FROM clock_timestamp()) * 1000 + offset_ms)::float8 AS "nowMs" FROM clock_shift`,
};

/** Milliseconds since the epoch, UTC. */
export async function readDatabaseNow(db: Queryable): Promise<number> {
  const [row] = await db.query<{ nowMs: number }>(READ_NOW, []);
  if (row === undefined) throw new Error('the clock_shift table has lost its row');
  return row.nowMs;
}
