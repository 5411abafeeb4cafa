/**
 * The end of a run: waits, bounded, until the platform has finished what it was given. What waits for hours by design
 * (receipts that may never come, callbacks that back off) is reached by moving the platform's clock, not by waiting.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../../src/store/database.ts';
import { moveClock, readUnfinished, type Unfinished } from './stored-facts.ts';
import { RECEIPT_GRACE_S } from './world.ts';

const LOOK_EVERY_MS = 250;
/** Without any progress for so long, it is not going to come. */
const NO_PROGRESS_MS = 20_000;
const LIMIT_MS = 120_000;
const VALIDITY_S = 28_800;
const MARGIN_S = 600;
/** Callbacks back off for up to an hour. */
const HOUR_MS = 3_600_000;
const MAX_HOURS = 6;
const HOUR_PATIENCE_MS = 6_000;

/** Gives what is left at the end; all 0 when everything was finished. */
export async function settleDown(database: Database, signal: AbortSignal): Promise<Unfinished> {
  await until(database, signal, ({ queued, scheduled, awaited, calls }) => queued + scheduled + awaited + calls);
  await moveClock(database, (VALIDITY_S + RECEIPT_GRACE_S + MARGIN_S) * 1_000);
  await until(
    database,
    signal,
    ({ queued, scheduled, awaited, inDoubt, calls }) => queued + scheduled + awaited + inDoubt + calls,
  );
  for (let hour = 0; hour < MAX_HOURS; hour += 1) {
    const left = await until(database, signal, ({ callbacks }) => callbacks, HOUR_PATIENCE_MS);
    if (left.callbacks === 0) break;
    await moveClock(database, HOUR_MS);
  }
  return readUnfinished(database);
}

async function until(
  database: Database,
  signal: AbortSignal,
  left: (unfinished: Unfinished) => number,
  noProgressMs = NO_PROGRESS_MS,
): Promise<Unfinished> {
  const startedMs = performance.now();
  let least = Number.POSITIVE_INFINITY;
  let progressMs = startedMs;
  for (;;) {
    const unfinished = await readUnfinished(database);
    const now = performance.now();
    const rest = left(unfinished);
    if (rest < least) {
      least = rest;
      progressMs = now;
    }
    if (rest === 0 || now - progressMs > noProgressMs || now - startedMs > LIMIT_MS) return unfinished;
    await pause(LOOK_EVERY_MS, undefined, { signal });
  }
}
