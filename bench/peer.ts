/** A process of the benchmark's own that takes orders and sends reports; it ends when the benchmark does. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

export class Peer<Order extends object, Report extends { readonly kind: string }> {
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(report: Report) => void>();

  /** @param file the module that it runs */
  constructor(file: URL) {
    this.#child = fork(file, {
      serialization: 'advanced',
      env: {},
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (report: Report) => {
      for (const listener of this.#listeners) listener(report);
    });
  }

  get processId(): number {
    return this.#child.pid ?? 0;
  }

  order(order: Order): void {
    if (this.#child.connected) this.#child.send(order);
  }

  onReport(listener: (report: Report) => void): void {
    this.#listeners.add(listener);
  }

  /** The next report of a kind. Rejects when the process ends or the signal is aborted before. */
  async report<Kind extends Report['kind']>(kind: Kind, signal: AbortSignal): Promise<Extract<Report, { kind: Kind }>> {
    const { promise, resolve, reject } = Promise.withResolvers<Extract<Report, { kind: Kind }>>();
    const listener = (report: Report): void => {
      if (report.kind === kind) resolve(report as Extract<Report, { kind: Kind }>);
    };
    const ended = (): void => reject(new Error('a process of the benchmark ended'));
    const aborted = (): void => reject(signal.reason);
    this.#listeners.add(listener);
    this.#child.once('exit', ended);
    signal.addEventListener('abort', aborted);
    try {
      signal.throwIfAborted();
      return await promise;
    } finally {
      this.#listeners.delete(listener);
      this.#child.off('exit', ended);
      signal.removeEventListener('abort', aborted);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    else this.#child.kill('SIGKILL');
    await exited;
  }
}
