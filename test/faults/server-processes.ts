/**
 * All processes of one PostgreSQL server at once, as when its machine dies or stands still. Reads /proc, so Linux only.
 */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const HOST = '127.0.0.1';

/** SIGKILL to every process, each stopped before so that none works on without the others. */
export function killServer(postmaster: number): void {
  for (const id of stopServerInItsTracks(postmaster).toReversed()) sendSignal(id, 'SIGKILL');
}

/** SIGSTOP to every process; gives them, the postmaster first, which is stopped first so that it starts no other. */
export function stopServerInItsTracks(postmaster: number): number[] {
  sendSignal(postmaster, 'SIGSTOP');
  const processes = serverProcesses(postmaster);
  for (const id of processes) sendSignal(id, 'SIGSTOP');
  return processes;
}

export function continueServer(postmaster: number): void {
  for (const id of serverProcesses(postmaster).toReversed()) sendSignal(id, 'SIGCONT');
}

/** One that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/**
 * The postmaster first. Synchronous: thousands of turns through the thread pool took 40 s on a crowded machine, with the
 * server stopped.
 */
function serverProcesses(postmaster: number): number[] {
  const children = readdirSync('/proc')
    .filter((id) => /^\d+$/.test(id) && parentOf(id) === String(postmaster))
    .map(Number);
  return [postmaster, ...children];
}

/** Field 4 of proc_pid_stat(5), the second after the name; undefined when the process is gone. */
function parentOf(id: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${id}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
  } catch {
    return undefined;
  }
}

function sendSignal(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
