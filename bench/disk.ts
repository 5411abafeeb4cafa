/** What the disk itself takes: the flush of one page, again and again, as a database's log does with every commit. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spreadOf, type Spread } from './instants.ts';

const PAGE = Buffer.alloc(8_192, 1);
const PAGES = 1_024;
const FLUSHES = 200;

/** On the file system where the platform under test has its database; best asked while nothing else writes. */
export async function flushTimes(): Promise<Spread> {
  const path = join(tmpdir(), `feige-bench-flush-${process.pid}`);
  const file = openSync(path, 'w', 0o600);
  try {
    // A log's file is as long as it will be before it is written to.
    for (let page = 0; page < PAGES; page++) writeSync(file, PAGE);
    fdatasyncSync(file);
    const durations: number[] = [];
    for (let flush = 0; flush < FLUSHES; flush++) {
      writeSync(file, PAGE, 0, PAGE.length, (flush % PAGES) * PAGE.length);
      const startedMs = performance.now();
      fdatasyncSync(file);
      durations.push(performance.now() - startedMs);
    }
    return spreadOf(durations);
  } finally {
    closeSync(file);
    await rm(path, { force: true });
  }
}
