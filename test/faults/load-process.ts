/**
 * The customers' clients as a process of their own, so that their work does not hold up the proxies of the run; tells on
 * demand what became of each request.
 */
import { LoadGenerator, type LoadOptions, type Target } from './load-generator.ts';
import type { LoggedRequest } from './request-log.ts';
import { planCall, planMessage } from './request-plan.ts';

export type LoadOrder =
  | { readonly kind: 'start'; readonly options: LoadOptions }
  | { readonly kind: 'ask'; readonly targets: readonly Target[] }
  | { readonly kind: 'tell' }
  /** Told once every request has ended. */
  | { readonly kind: 'stop' };

/** What was asked follows from the kind and the serial, and needs no telling. */
export type ToldRequest = Omit<LoggedRequest, 'planned'> & {
  readonly kind: 'message' | 'call';
  readonly serial: number;
};

export interface LoadReport {
  readonly requests: readonly ToldRequest[];
  /** Not sent, since too many waited or there was nobody to ask. */
  readonly held: number;
}

export function readReport({ requests }: LoadReport): LoggedRequest[] {
  return requests.map(({ kind, serial, ...rest }) => ({
    ...rest,
    planned: kind === 'call' ? planCall(serial) : planMessage(serial),
  }));
}

function report(load: LoadGenerator): void {
  const requests = load.requests.map(({ planned, ...rest }) => ({
    ...rest,
    kind: planned.kind,
    serial: planned.serial,
  }));
  process.send?.({ requests, held: load.held } satisfies LoadReport);
}

function follow(): void {
  let load: LoadGenerator | undefined;
  process.on('message', (order: LoadOrder) => {
    if (order.kind === 'start') {
      load = new LoadGenerator(order.options);
      load.start();
    }
    if (load === undefined) return;
    const running = load;
    if (order.kind === 'ask') running.ask(order.targets);
    if (order.kind === 'tell') report(running);
    if (order.kind === 'stop') void running.stop().then(() => report(running));
  });
  process.on('disconnect', () => process.exit());
  process.on('SIGTERM', () => process.exit());
  process.stdout.write('ready\n');
}

if (import.meta.main) follow();
