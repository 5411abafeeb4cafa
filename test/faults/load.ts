/** The load as the run sees it: a process that is started, asked and stopped. */
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadOptions, Target } from './load-generator.ts';
import { type LoadOrder, type LoadReport, readReport } from './load-process.ts';
import { ManagedProcess } from './managed-process.ts';
import type { LoggedRequest } from './request-log.ts';
import type { PlatformNode } from './platform-node.ts';
import type { World } from './world.ts';

const PROCESS = fileURLToPath(new URL('./load-process.ts', import.meta.url));

export class Load {
  readonly #process: ManagedProcess;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.#process = new ManagedProcess({
      name: 'load',
      arguments: [PROCESS],
      environment: {},
      logFile: join(world.directory, 'load.log'),
      up: /ready/,
      channel: true,
      onUnexpectedEnd: (what) => world.noteUnexpectedEnd(what),
    });
  }

  /** To all nodes that there are. */
  async start(options: Omit<LoadOptions, 'targets'>): Promise<void> {
    await this.#process.start();
    this.#order({ kind: 'start', options: { ...options, targets: this.#targets(this.#world.nodes) } });
  }

  /** These nodes and no others get requests from now on. */
  ask(nodes: readonly PlatformNode[]): void {
    this.#order({ kind: 'ask', targets: this.#targets(nodes) });
  }

  /** So far. */
  async requests(): Promise<LoggedRequest[]> {
    return readReport(await this.#report({ kind: 'tell' }));
  }

  /** Sends no more requests; resolves when each has ended. */
  async finish(): Promise<{ requests: LoggedRequest[]; held: number }> {
    const told = await this.#report({ kind: 'stop' });
    return { requests: readReport(told), held: told.held };
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }

  #targets(nodes: readonly PlatformNode[]): Target[] {
    return nodes.map((node) => ({ node: this.#world.nodes.indexOf(node), url: node.requestUrl }));
  }

  async #report(order: LoadOrder): Promise<LoadReport> {
    const { child } = this.#process;
    if (child === undefined || !this.#process.isRunning) throw new Error('the load ended by itself');
    const told = once(child, 'message');
    this.#order(order);
    return (await told)[0] as LoadReport;
  }

  #order(order: LoadOrder): void {
    const { child } = this.#process;
    if (child?.connected === true) child.send(order);
  }
}
