/** The whole platform as its users start it: a process of its own, found by what it prints. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_PATIENCE_MS = 60_000;

export interface PlatformProcess {
  readonly child: ChildProcess;
  readonly http: string;
  readonly https: string;
  readonly metrics: string;
  readonly dataDir: string;
  /** Everything it wrote so far. */
  output(): string;
  /** Sends the signal and resolves with the exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export async function makeDataDir(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'feige-e2e-'));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Starts `src/main.ts` on free ports; `env` goes over the defaults of a test, `openFiles` bounds its descriptors. */
export async function startPlatformProcess(options: {
  dataDir: string;
  env?: Record<string, string>;
  openFiles?: number;
}): Promise<PlatformProcess> {
  const bound = options.openFiles === undefined ? '' : `ulimit -n ${options.openFiles} && `;
  const child = spawn('sh', ['-c', `${bound}exec "$0" src/main.ts`, process.execPath], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      HTTP_PORT: '0',
      HTTPS_PORT: '0',
      METRICS_PORT: '0',
      SMSC_PORT: '0',
      TELEPHONE_PORT: '0',
      LOG_LEVEL: 'warn',
      SIMULATOR_RECEIPT_DELAY_MS: '20',
      DATA_DIR: options.dataDir,
      ...options.env,
    },
  });
  let output = '';
  const addresses = Promise.withResolvers<void>();
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
    if (output.includes('  Database ')) addresses.resolve();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  const exited = once(child, 'exit').then(() => addresses.reject(new Error(`the platform ended:\n${output}`)));
  const late = setTimeout(() => addresses.reject(new Error(`the platform is not up:\n${output}`)), START_PATIENCE_MS);
  await addresses.promise.finally(() => clearTimeout(late));
  const find = (pattern: RegExp): string => pattern.exec(output)?.[1] ?? '';
  return {
    child,
    http: find(/API +(http:\S+)/),
    https: find(/ (https:\S+)/),
    metrics: find(/Metrics +(\S+)/),
    dataDir: options.dataDir,
    output: () => output,
    end: async (signal) => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal);
        await exited.catch(() => {});
      }
      return child.exitCode;
    },
  };
}

export type Answer = Record<string, unknown> & { code: string };

/** GET of an endpoint with these parameters, percent-encoded as UTF-8. */
export async function ask(base: string, endpoint: string, parameters: Record<string, string>): Promise<Answer> {
  const response = await fetch(`${base}/json/${endpoint}?${new URLSearchParams(parameters).toString()}`);
  if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
  return (await response.json()) as Answer;
}

/** Ids of processes, this one apart, that were started on this data directory or name it. */
export async function processesOf(dataDir: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const environment = await readFile(join('/proc', pid, 'environ'), 'utf8').catch(() => '');
    const commandLine = await readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '');
    if (environment.includes(`DATA_DIR=${dataDir}\0`) || commandLine.includes(dataDir)) found.push(pid);
  }
  return found;
}
