/** The callback sink as a process of its own: tells the benchmark its ports, then how much came, some times a second. */
import { type Arrival, CallbackSink, type SinkPlan } from './callback-sink.ts';

export type SinkOrder =
  | { readonly kind: 'listen'; readonly ports: number; readonly plan: SinkPlan }
  | { readonly kind: 'result' };

export type SinkReport =
  | { readonly kind: 'listening'; readonly ports: readonly number[] }
  | { readonly kind: 'count'; readonly delivered: number }
  /** `delivered` is what `bits` of MsgidSet gives, `instants` what `values` of Instants gives. */
  | {
      readonly kind: 'result';
      readonly delivered: Uint8Array;
      readonly instants: Float64Array;
      readonly unexpected: number;
      readonly arrivals: readonly Arrival[];
    };

const REPORT_EVERY_MS = 10;

function report(message: SinkReport): void {
  process.send?.(message);
}

function follow(): void {
  let sink: CallbackSink | undefined;
  let told = 0;
  setInterval(() => {
    if (sink === undefined || sink.delivered.size === told) return;
    told = sink.delivered.size;
    report({ kind: 'count', delivered: told });
  }, REPORT_EVERY_MS);
  process.on('message', (order: SinkOrder) => {
    switch (order.kind) {
      case 'listen':
        sink = new CallbackSink(order.plan);
        void sink.listen(order.ports).then((ports) => report({ kind: 'listening', ports }));
        return;
      case 'result':
        if (sink === undefined) return;
        report({
          kind: 'result',
          delivered: sink.delivered.bits,
          instants: sink.instants.values,
          unexpected: sink.unexpected,
          arrivals: sink.arrivals,
        });
        return;
    }
  });
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit());
}

if (import.meta.main) follow();
