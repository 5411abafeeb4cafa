/**
 * A start that waits for its database. A process that ended instead would have to be started from nothing again, for
 * seconds on a busy machine, and a supervisor that counts its starts would give it up (systemd: five in ten seconds).
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from './base/log.ts';
import { isDatabaseAway } from './store/database-hosts.ts';

const AGAIN_AFTER_MS = 250;
/** One line of the log for so many milliseconds of waiting. */
const SAY_EVERY_MS = 10_000;

export interface StartAgainOptions<Started> {
  /** Leaves nothing behind when it rejects. */
  readonly start: () => Promise<Started>;
  /** From the first failure on; then what the last one threw is thrown. */
  readonly patienceMs: number;
  /** Aborted: nobody wants it to be started any more. */
  readonly unwanted: AbortSignal;
  readonly log: Logger;
}

/** What `start` gives; undefined when it is not wanted any more. Throws at once what waiting cannot mend. */
export async function startAgain<Started>(options: StartAgainOptions<Started>): Promise<Started | undefined> {
  const { start, patienceMs, unwanted, log } = options;
  let deadlineMs: number | undefined;
  let sayAtMs = Number.NEGATIVE_INFINITY;
  for (;;) {
    try {
      return await start();
    } catch (error) {
      const nowMs = performance.now();
      deadlineMs ??= nowMs + patienceMs;
      if (!isDatabaseAway(error) || nowMs >= deadlineMs) throw error;
      if (nowMs >= sayAtMs) {
        sayAtMs = nowMs + SAY_EVERY_MS;
        log.warn({ err: error }, 'the database is out of reach; the start waits for it');
      }
    }
    await pause(AGAIN_AFTER_MS, undefined, { signal: unwanted }).catch(() => {});
    if (unwanted.aborted) return undefined;
  }
}
