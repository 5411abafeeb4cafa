/** The load generator as a process of its own, told what to do by messages from the benchmark. */
import { Load, type LoadPlan, type LoadResult } from './load.ts';

export type LoadOrder =
  | { readonly kind: 'start'; readonly plan: LoadPlan }
  | { readonly kind: 'called-back'; readonly total: number }
  | { readonly kind: 'count' }
  | { readonly kind: 'stop' };

export type LoadReport =
  | { readonly kind: 'count'; readonly good: number }
  | { readonly kind: 'result'; readonly result: LoadResult };

function report(message: LoadReport): void {
  process.send?.(message);
}

function follow(): void {
  let load: Load | undefined;
  process.on('message', (order: LoadOrder) => {
    switch (order.kind) {
      case 'start':
        load = new Load(order.plan);
        return;
      case 'called-back':
        load?.noteCalledBack(order.total);
        return;
      case 'count':
        report({ kind: 'count', good: load?.good ?? 0 });
        return;
      case 'stop':
        void load?.stop().then((result) => report({ kind: 'result', result }));
        load = undefined;
        return;
    }
  });
  // Ctrl-C reaches every process of the terminal; the benchmark ends this one.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit());
}

if (import.meta.main) follow();
