/**
 * The program of the thread that sends RTP: nothing else runs on it, so that no request, query or speech delays a
 * packet. What it cannot handle ends it; `rtp-player.ts` notices and starts another.
 */
import assert from 'node:assert/strict';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadCommand, ThreadReport, ThreadStart } from './protocol.ts';
import { PacketSpacing } from './spacing.ts';
import { PlayerStreams } from './streams.ts';

/** Before the other threads of this machine, behind the system's own. */
const NICE = -10;

/** On Linux 0 stands for the thread that asks (setpriority(2)); elsewhere for the whole process, which is too much. */
function hurry(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    setPriority(0, NICE);
    return true;
  } catch {
    // Without CAP_SYS_NICE and RLIMIT_NICE: it runs like the others.
    return false;
  }
}

const port = parentPort;
assert.ok(port !== null, 'player/thread.ts runs as a worker thread only');

const report = (message: ThreadReport): void => port.postMessage(message);
const { settings, spacing } = workerData as ThreadStart;
const streams = new PlayerStreams({ settings, spacing: new PacketSpacing(spacing), report });

port.on('message', (command: ThreadCommand) => {
  // A rejection here is a fault of ours, and ends the thread as an exception does.
  void streams.obey(command);
});
report({ kind: 'ready', hurries: hurry() });
