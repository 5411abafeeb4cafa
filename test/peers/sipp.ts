/** sipp as a callee that follows a scenario of ours; it judges what it gets and says so with its exit code. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, makeFolder, startPeer } from './peer-process.ts';

const TIMEOUT_S = 60;

export interface Sipp {
  readonly port: number;
  /** Resolves when all its calls went as written; rejects with its own account of what did not. */
  succeeded(): Promise<void>;
}

export interface SippOptions {
  /** A file of `sipp/` without its ending. */
  scenario: string;
  /** It ends after so many; 1 when absent. */
  calls?: number;
  transport?: 'udp' | 'tcp';
  /** Of messages in both directions. */
  lostPercent?: number;
}

export async function startSipp(context: TestContext, options: SippOptions): Promise<Sipp> {
  const { scenario, calls = 1, transport = 'udp', lostPercent } = options;
  const folder = await makeFolder(context);
  const port = await freePort();
  const process = await startPeer(context, {
    command: 'sipp',
    args: [
      '-sf',
      fileURLToPath(new URL(`./sipp/${scenario}.xml`, import.meta.url)),
      '-i',
      '127.0.0.1',
      '-p',
      String(port),
      '-t',
      transport === 'udp' ? 'u1' : 't1',
      '-m',
      String(calls),
      '-timeout',
      `${TIMEOUT_S}s`,
      '-timeout_error',
      '-nostdin',
      '-trace_err',
      '-error_file',
      join(folder, 'errors.log'),
      // On such a line a 200 is sent again, and the ACK of that one may come when sipp waits for nothing any more.
      ...(lostPercent === undefined ? [] : ['-lost', String(lostPercent), '-default_behaviors', 'all,-abortunexp']),
    ],
    cwd: folder,
    listens: { protocol: transport, port },
  });
  return {
    port,
    succeeded: async () => {
      const code = await process.exited;
      if (code !== 0)
        assert.fail(`sipp ended with ${code}\n${await errorsIn(folder)}\n${process.output().slice(-3_000)}`);
    },
  };
}

async function errorsIn(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.join('\n');
}
