/** The thread of watch.ts. The process is killed, for nothing else ends one whose loop does not turn. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { restoringCommand } from './finds.ts';

/** Where a batch is to be kept, and what is to stand there. */
export interface WatchedBatch {
  readonly path: string;
  /** Undefined when it stands there already. */
  readonly text: string | undefined;
  /** What feeds it again. */
  readonly command: string;
}

/** A batch begins, the loop turns, the batch has ended. */
export type Beat = WatchedBatch | 'turning' | 'ended';

const STDERR = 2;
const { stuckAfterMs } = workerData as { stuckAfterMs: number };

let batch: WatchedBatch | undefined;
let timer: NodeJS.Timeout | undefined;

function keepAndKill(): void {
  if (batch === undefined) return;
  const { path, text, command } = batch;
  let report = `fault: the process stood still for ${stuckAfterMs} ms at a batch that is kept in ${path}\n  again: ${command}\n`;
  if (text !== undefined) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    report += `  the file: ${restoringCommand(basename(path), text)}\n`;
  }
  writeSync(STDERR, report);
  process.kill(process.pid, 'SIGKILL');
}

assert.ok(parentPort !== null);
parentPort.on('message', (beat: Beat) => {
  clearTimeout(timer);
  if (beat === 'ended') batch = undefined;
  else if (beat !== 'turning') batch = beat;
  if (batch !== undefined) timer = setTimeout(keepAndKill, stuckAfterMs);
});
