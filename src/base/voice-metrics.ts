/** What Prometheus can ask about calls: those that wait, asked of the database, and how evenly sound leaves this node. */
import { Gauge, type Registry } from 'prom-client';

export interface CallQueueGauge {
  readonly waiting: number;
  readonly later: number;
  readonly claimed: number;
  readonly headAgeSeconds: number;
}

export interface VoiceGauges {
  /** Asked each time /metrics is read; may reject. */
  queue(): Promise<CallQueueGauge>;
  /** Milliseconds from one packet to the next at each quantile, since the last time it was asked; empty without any. */
  packetSpacing(quantiles: readonly number[]): readonly { readonly quantile: number; readonly ms: number }[];
}

const STATES = ['waiting', 'later', 'claimed'] as const;
const SPACING_QUANTILES = [0.5, 0.99, 0.999, 1];
const MS_PER_SECOND = 1_000;

/** Adds the gauges to a registry; what the database does not answer is left out. */
export function watchVoice(registry: Registry, gauges: VoiceGauges): void {
  const registers = [registry];
  // Prometheus asks both gauges at once: they share one question to the database.
  let asking: Promise<CallQueueGauge | undefined> | undefined;
  const askOnce = (): Promise<CallQueueGauge | undefined> => {
    asking ??= gauges
      .queue()
      .catch(() => undefined)
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };
  const calls: Gauge<'state'> = new Gauge({
    name: 'feige_queue_calls',
    help: 'Calls without an end: waiting for their turn, for another try, or claimed by a node',
    labelNames: ['state'] as const,
    registers,
    collect: async () => {
      const depth = await askOnce();
      calls.reset();
      if (depth !== undefined) for (const state of STATES) calls.set({ state }, depth[state]);
    },
  });
  const headAge = new Gauge({
    name: 'feige_queue_calls_head_age_seconds',
    help: 'Age of the call that waits longest for its turn',
    registers,
    collect: async () => {
      const depth = await askOnce();
      if (depth === undefined) headAge.remove();
      else headAge.set(depth.headAgeSeconds);
    },
  });
  const spacing: Gauge<'quantile'> = new Gauge({
    name: 'feige_rtp_spacing_seconds',
    help: 'Time from one RTP packet of a call to the next as they were sent, since the metrics were last read',
    labelNames: ['quantile'] as const,
    registers,
    collect: () => {
      spacing.reset();
      for (const { quantile, ms } of gauges.packetSpacing(SPACING_QUANTILES)) {
        spacing.set({ quantile: String(quantile) }, ms / MS_PER_SECOND);
      }
    },
  });
}
