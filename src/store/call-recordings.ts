/**
 * Recordings of customers, each file once, stored before the call that plays it is accepted, so that every node can
 * play it. A file that no waiting call wants and nobody sent for a day is dropped.
 */
import { createHash } from 'node:crypto';
import type { Queryable, Statement } from './database.ts';

const KEPT_UNUSED_MS = 24 * 3600 * 1000;
/** How exactly the last use is known. If every request updated the row, their commits would wait for each other. */
const USE_NOTED_EVERY_MS = 3600 * 1000;
const MAX_DROPPED_AT_ONCE = 50;

const FIND_FRESH: Statement = {
  name: 'find-fresh-call-recording',
  text: `SELECT recording_id::float8 AS id FROM call_recordings
         WHERE sha256 = $1 AND used_at > to_timestamp($2 / 1000.0)`,
};

const STORE: Statement = {
  name: 'store-call-recording',
  text: `INSERT INTO call_recordings (sha256, file, used_at) VALUES ($1, $2, to_timestamp($3 / 1000.0))
         ON CONFLICT (sha256) DO UPDATE SET used_at = greatest(call_recordings.used_at, EXCLUDED.used_at)
         RETURNING recording_id::float8 AS id`,
};

/** Keeps a file; gives the id under which calls refer to it, the same for the same bytes. */
export async function storeRecording(db: Queryable, file: Buffer, nowMs: number): Promise<number> {
  const sha256 = createHash('sha256').update(file).digest();
  const [fresh] = await db.query<{ id: number }>(FIND_FRESH, [sha256, nowMs - USE_NOTED_EVERY_MS]);
  if (fresh !== undefined) return fresh.id;
  const [row] = await db.query<{ id: number }>(STORE, [sha256, file, nowMs]);
  if (row === undefined) throw new Error('a recording was stored without an id');
  return row.id;
}

const READ: Statement = {
  name: 'read-call-recording',
  text: 'SELECT file FROM call_recordings WHERE recording_id = $1',
};

/** The file as it came; undefined when it is gone. */
export async function readRecording(db: Queryable, recordingId: number): Promise<Buffer | undefined> {
  return (await db.query<{ file: Buffer }>(READ, [recordingId]))[0]?.file;
}

const DROP: Statement = {
  name: 'drop-call-recordings',
  text: `
DELETE FROM call_recordings WHERE recording_id IN (
  SELECT recording_id FROM call_recordings r
  WHERE used_at < to_timestamp($1 / 1000.0)
    AND NOT EXISTS (SELECT FROM call_queue q WHERE q.recording_id = r.recording_id)
  ORDER BY used_at LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING recording_id`,
};

/** Drops some of the files that are not wanted any more; gives how many. */
export async function dropUnusedRecordings(db: Queryable, nowMs: number): Promise<number> {
  return (await db.query(DROP, [nowMs - KEPT_UNUSED_MS, MAX_DROPPED_AT_ONCE])).length;
}
