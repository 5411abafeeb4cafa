/**
 * The program of the thread that sends RTP: nothing else runs on it, so that no request, query or speech delays a
 * packet. What it cannot handle ends it; `player.ts` notices and starts another.
 */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadCommand, ThreadReport, ThreadStart } from './player-protocol.ts';
import { PacketSpacing } from './player-spacing.ts';
import { PlayerStreams } from './player-streams.ts';

const port = parentPort;
assert.ok(port !== null, 'player-thread.ts runs as a worker thread only');

const report = (message: ThreadReport): void => port.postMessage(message);
const { settings, spacing } = workerData as ThreadStart;
const streams = new PlayerStreams({ settings, spacing: new PacketSpacing(spacing), report });

port.on('message', (command: ThreadCommand) => {
  // A rejection here is a fault of ours, and ends the thread as an exception does.
  void streams.obey(command);
});
report({ kind: 'ready' });
