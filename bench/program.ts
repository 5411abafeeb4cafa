/**
 * One of Feige's own programs as a child process, run as a user would run it: an environment made from nothing, output
 * read line by line, SIGTERM to end it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const STOP_WITHIN_MS = 15_000;

export interface ProgramOptions {
  readonly name: string;
  /** File and arguments, after Node's own options. */
  readonly arguments: readonly string[];
  readonly nodeOptions?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export class Program {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #stopping = false;
  readonly #lines = new Set<(line: string) => void>();

  constructor(options: ProgramOptions) {
    this.#name = options.name;
    this.#child = spawn(process.execPath, [...(options.nodeOptions ?? []), ...options.arguments], {
      env: options.environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#exited = once(this.#child, 'exit');
    if (this.#child.stdout) createInterface({ input: this.#child.stdout }).on('line', (line) => this.#read(line));
  }

  get processId(): number {
    return this.#child.pid ?? 0;
  }

  /** What `find` makes of the first line of standard output for which it gives something. */
  async find<Found>(find: (line: string) => Found | undefined, signal: AbortSignal): Promise<Found> {
    const { promise, resolve, reject } = Promise.withResolvers<Found>();
    const reader = (line: string): void => {
      const found = find(line);
      if (found !== undefined) resolve(found);
    };
    const aborted = (): void => reject(signal.reason);
    signal.addEventListener('abort', aborted);
    this.#lines.add(reader);
    try {
      signal.throwIfAborted();
      const ended = this.#exited.then(() => {
        throw new Error(`${this.#name} ended before it was up`);
      });
      return await Promise.race([promise, ended]);
    } finally {
      this.#lines.delete(reader);
      signal.removeEventListener('abort', aborted);
    }
  }

  /** Rejects when the program ends though nobody stopped it; never resolves. */
  async watch(): Promise<never> {
    await this.#exited;
    if (!this.#stopping) throw new Error(`${this.#name} ended by itself`);
    return await new Promise<never>(() => {});
  }

  /** False when it had to be killed. */
  async stop(): Promise<boolean> {
    this.#stopping = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode === 0;
    this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WITHIN_MS);
    await this.#exited;
    clearTimeout(late);
    return this.#child.exitCode === 0;
  }

  #read(line: string): void {
    for (const reader of this.#lines) reader(line);
    // Everything but the table at the start is a line of the log, and worth knowing.
    if (line.startsWith('{"level"')) process.stderr.write(`${this.#name}: ${line}\n`);
  }
}
