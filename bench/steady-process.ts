/** The steady load as a process of its own, told what to do by messages from the benchmark. */
import { SteadyLoad, type SteadyPlan, type SteadyResult } from './steady-load.ts';

export type SteadyOrder =
  | { readonly kind: 'start'; readonly plan: SteadyPlan }
  | { readonly kind: 'watch'; readonly number: number }
  | { readonly kind: 'count' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'end' };

export type SteadyReport =
  /** Requests sent so far. */
  | { readonly kind: 'count'; readonly requests: number }
  | { readonly kind: 'paused' }
  | { readonly kind: 'result'; readonly result: SteadyResult };

function report(message: SteadyReport): void {
  process.send?.(message);
}

function follow(): void {
  let load: SteadyLoad | undefined;
  process.on('message', (order: SteadyOrder) => {
    switch (order.kind) {
      case 'start':
        load = new SteadyLoad(order.plan);
        return;
      case 'watch':
        load?.watch(order.number);
        return;
      case 'count':
        report({ kind: 'count', requests: load?.requests ?? 0 });
        return;
      case 'pause':
        void load?.pause().then(() => report({ kind: 'paused' }));
        return;
      case 'end':
        if (load !== undefined) report({ kind: 'result', result: load.end() });
        return;
    }
  });
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit());
}

if (import.meta.main) follow();
