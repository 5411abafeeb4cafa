/**
 * Loaded into the platform's process by `--import` for a soak: collects all garbage now and then, and appends what is
 * left to the file that its own address names (`?to=/path&everyMs=10000`). The product knows nothing of it.
 */
import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** One line of the file, as JSON; sizes in bytes. */
export interface HeapSample {
  readonly atMs: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
}

const { searchParams } = new URL(import.meta.url);
const file = searchParams.get('to');

function sample(to: string): void {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const line: HeapSample = { atMs: performance.now(), heapUsed, external, rss };
  appendFileSync(to, `${JSON.stringify(line)}\n`);
}

if (isMainThread && file !== null && globalThis.gc !== undefined) {
  setInterval(() => sample(file), Number(searchParams.get('everyMs'))).unref();
}
