/** What the metrics count of the stages, and how the stages reach the delivery of callbacks. */
import type { Metrics } from './base/metrics.ts';
import type { CallbackDelivery } from './callback/deliver.ts';
import type { SmsHooks } from './sms/pipeline.ts';
import type { VoiceHooks } from './voice/pipeline.ts';

export function smsHooks(metrics: Metrics, callbacks: Pick<CallbackDelivery, 'wake' | 'holder'>): SmsHooks {
  return {
    batch: (stage, rows) => metrics.batchRows.observe({ stage }, rows),
    submitted: (operator, result) => metrics.submits.of(operator, result).add(),
    received: (operator, state) => metrics.receipts.of(operator, state).add(),
    settled: (rows) => {
      for (const row of rows)
        for (const latencyMs of row.latencies_ms) metrics.deliverySeconds.observe(latencyMs / 1000);
    },
    unresolved: () => metrics.unresolvedCommits.add(),
    callbackOwed: () => callbacks.wake(),
    callbackHolder: () => callbacks.holder(),
  };
}

export function voiceHooks(metrics: Metrics, callbackOwed: () => void): VoiceHooks {
  return {
    batch: (stage, rows) => metrics.batchRows.observe({ stage }, rows),
    unresolved: () => metrics.unresolvedCommits.add(),
    settled: (calls) => {
      for (const { state } of calls) metrics.calls.of(state).add();
    },
    callbackOwed,
  };
}
