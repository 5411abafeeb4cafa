/**
 * One program as a process that is meant to be killed, stopped and started again. What it writes goes to a file; that it
 * ended although nobody ended it is remembered, since no fault excuses it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';

const START_PATIENCE_MS = 60_000;
const STOP_PATIENCE_MS = 15_000;

export interface ManagedOptions {
  readonly name: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** What its first output has to hold before it counts as up. */
  readonly up: RegExp;
  /** With an IPC channel. */
  readonly channel?: boolean;
  readonly onUnexpectedEnd: (what: string) => void;
}

export class ManagedProcess {
  readonly #options: ManagedOptions;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;
  #stopped = false;
  readonly #ending = new WeakSet<ChildProcess>();

  constructor(options: ManagedOptions) {
    this.#options = options;
    this.#log = createWriteStream(options.logFile, { flags: 'a' });
  }

  get child(): ChildProcess | undefined {
    return this.#child;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** For good: it can't be started any more. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  /** Resolves with the match of `up`; rejects when it ends or says nothing for a minute. */
  async start(): Promise<RegExpExecArray> {
    const { name, up, environment, channel, onUnexpectedEnd } = this.#options;
    if (this.#stopped) throw new Error(`${name} was stopped`);
    const child = spawn(process.execPath, [...this.#options.arguments], {
      env: { ...environment },
      // Ctrl-C and time limits are the run's to deal with: it ends its processes in order.
      detached: true,
      stdio: channel === true ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    // Until it is up, that it ended is told to the caller.
    this.#ending.add(child);
    const found = Promise.withResolvers<RegExpExecArray>();
    let output = '';
    let isUp = false;
    const take = (chunk: Buffer): void => {
      this.#log.write(chunk);
      if (isUp) return;
      output += chunk.toString();
      const match = up.exec(output);
      if (match === null) return;
      isUp = true;
      this.#ending.delete(child);
      found.resolve(match);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('exit', (code, signal) => {
      found.reject(new Error(`${name} ended (${code ?? signal}) before it was up: ${output.slice(-2_000)}`));
      if (!this.#ending.has(child)) onUnexpectedEnd(`${name} ended by itself with ${code ?? signal}`);
    });
    const late = setTimeout(() => found.reject(new Error(`${name} is not up: ${output}`)), START_PATIENCE_MS);
    return await found.promise.finally(() => clearTimeout(late));
  }

  /** SIGSTOP and SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.isRunning) this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Not for good, as `stop` is. Gives its exit code. */
  async terminate(): Promise<number | null> {
    await this.#end('SIGTERM');
    return this.#child?.exitCode ?? null;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.signal('SIGCONT');
    const late = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_PATIENCE_MS);
    await this.#end('SIGTERM');
    clearTimeout(late);
    this.#log.end();
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    this.#ending.add(child);
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}
