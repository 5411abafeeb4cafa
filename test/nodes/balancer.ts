/** What a load balancer does: asks each node again and again whether it wants requests, and gives them to those that do. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Load } from '../faults/load.ts';
import type { PlatformNode } from '../faults/platform-node.ts';

const LOOK_EVERY_MS = 100;
const LOOK_PATIENCE_MS = 2_000;

export class Balancer {
  readonly #load: Pick<Load, 'ask'>;
  readonly #ready = new Set<PlatformNode>();
  readonly #loops: Promise<void>[] = [];
  #watching = true;

  constructor(load: Pick<Load, 'ask'>) {
    this.#load = load;
  }

  get ready(): ReadonlySet<PlatformNode> {
    return this.#ready;
  }

  watch(node: PlatformNode): void {
    this.#loops.push(this.#run(node));
  }

  async stop(): Promise<void> {
    this.#watching = false;
    await Promise.all(this.#loops);
  }

  async #run(node: PlatformNode): Promise<void> {
    while (this.#watching) {
      const wants = await isReady(node);
      if (wants !== this.#ready.has(node)) {
        if (wants) this.#ready.add(node);
        else this.#ready.delete(node);
        this.#load.ask([...this.#ready]);
      }
      await pause(LOOK_EVERY_MS);
    }
  }
}

async function isReady({ baseUrl }: PlatformNode): Promise<boolean> {
  try {
    const { status } = await fetch(`${baseUrl}/readyz`, { signal: AbortSignal.timeout(LOOK_PATIENCE_MS) });
    return status === 200;
  } catch {
    return false;
  }
}
