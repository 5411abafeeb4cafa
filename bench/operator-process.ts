/** The operator as a process of its own: tells the benchmark its port, how much came, and whose receipt was sent. */
import { machineNowMs } from './instants.ts';
import { BenchOperator } from './operator.ts';

export type OperatorOrder =
  /** `tellEvery`: of so many recipients one is told of when its receipt is sent; absent: none. */
  { readonly kind: 'listen'; readonly tellEvery?: number } | { readonly kind: 'result' };

export type OperatorReport =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'count'; readonly taken: number; readonly binds: number; readonly atMs: number }
  | { readonly kind: 'receipt'; readonly number: number }
  /** `submitted` and `receipts` are what `values` of Instants gives. */
  | {
      readonly kind: 'result';
      readonly submitted: Float64Array;
      readonly receipts: Float64Array;
      readonly repeated: number;
    };

const REPORT_EVERY_MS = 10;

function report(message: OperatorReport): void {
  process.send?.(message);
}

function follow(): void {
  let tellEvery = Number.POSITIVE_INFINITY;
  const operator = new BenchOperator({
    onReceipt: (number) => {
      if (number % tellEvery === 0) report({ kind: 'receipt', number });
    },
  });
  let told = '';
  setInterval(() => {
    const { taken, binds } = operator;
    if (`${taken},${binds}` === told) return;
    told = `${taken},${binds}`;
    report({ kind: 'count', taken, binds, atMs: machineNowMs() });
  }, REPORT_EVERY_MS);
  process.on('message', (order: OperatorOrder) => {
    switch (order.kind) {
      case 'listen':
        tellEvery = order.tellEvery ?? tellEvery;
        void operator.listen().then(({ port }) => report({ kind: 'listening', port }));
        return;
      case 'result':
        report({
          kind: 'result',
          submitted: operator.submitted.values,
          receipts: operator.receipts.values,
          repeated: operator.repeated,
        });
        return;
    }
  });
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit());
}

if (import.meta.main) follow();
