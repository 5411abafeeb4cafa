/**
 * What Prometheus can ask about calls: those that wait, asked of the database, and how evenly sound leaves this node.
 */
import { Gauge, type Registry } from 'prom-client';
import { Remembered } from './remembered.ts';

/** Asked when /metrics is read; may reject. */
export interface VoiceGauges {
  /** Asked for rarely. */
  counts(): Promise<Readonly<Record<(typeof STATES)[number], number>>>;
  headAgeSeconds(): Promise<number>;
  /** Milliseconds from one packet to the next at each quantile, since the last time it was asked; empty without any. */
  packetSpacing(quantiles: readonly number[]): readonly { readonly quantile: number; readonly ms: number }[];
}

const STATES = ['waiting', 'later', 'claimed'] as const;
const SPACING_QUANTILES = [0.5, 0.99, 0.999, 1];
const MS_PER_SECOND = 1_000;

/** Adds the gauges to a registry; what the database does not answer is left out. */
export function watchVoice(registry: Registry, gauges: VoiceGauges, now?: () => number): void {
  const registers = [registry];
  const counts = new Remembered(() => gauges.counts(), now);
  const calls: Gauge<'state'> = new Gauge({
    name: 'feige_queue_calls',
    help: 'Calls waiting for their turn, for another try, or claimed by a node, as counted some seconds ago',
    labelNames: ['state'] as const,
    registers,
    collect: async () => {
      const counted = await counts.get().catch(() => undefined);
      calls.reset();
      if (counted !== undefined) for (const state of STATES) calls.set({ state }, counted[state]);
    },
  });
  const headAge = new Gauge({
    name: 'feige_queue_calls_head_age_seconds',
    help: 'Age of the call that waits longest for its turn',
    registers,
    collect: async () => {
      const seconds = await gauges.headAgeSeconds().catch(() => undefined);
      if (seconds === undefined) headAge.remove();
      else headAge.set(seconds);
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
