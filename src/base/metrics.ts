/**
 * Everything Prometheus can ask about, in a registry of its own. What is counted on the hot path is a plain number
 * that the registry reads when asked (prom-client's own children hash their labels at every `inc`); what only the
 * database knows is asked for when /metrics is read, and left out when the database does not answer.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { Remembered } from './remembered.ts';
import { type VoiceGauges, watchVoice } from './voice-metrics.ts';

/** A number that only grows. */
export class Tally {
  value = 0;

  add(count = 1): void {
    this.value += count;
  }
}

/** A counter's tallies by label values; `of` is for start-up and caches, the tally it gives for the hot path. */
export class Tallies<Label extends string> {
  readonly #labels: readonly Label[];
  readonly #tallies = new Map<string, { labels: Record<Label, string>; tally: Tally }>();

  constructor(registry: Registry, options: { name: string; help: string; labels: readonly Label[] }) {
    this.#labels = options.labels;
    const counter = new Counter({
      name: options.name,
      help: options.help,
      labelNames: options.labels,
      registers: [registry],
      collect: () => {
        counter.reset();
        for (const { labels, tally } of this.#tallies.values()) counter.inc(labels, tally.value);
      },
    });
  }

  /** The tally of these label values, in the order of the labels; made when first asked for. Values must be few. */
  of(...values: string[]): Tally {
    const key = values.join('\n');
    const known = this.#tallies.get(key);
    if (known !== undefined) return known.tally;
    const labels = Object.fromEntries(this.#labels.map((label, at) => [label, values[at] ?? ''])) as Record<
      Label,
      string
    >;
    const tally = new Tally();
    this.#tallies.set(key, { labels, tally });
    return tally;
  }
}

/** Asked when /metrics is read; may reject. */
export interface DatabaseGauges {
  /** Messages waiting; expensive, so it is asked for rarely. */
  depths(): Promise<readonly { readonly operator: string; readonly depth: number }[]>;
  headAges(): Promise<readonly { readonly operator: string; readonly headAgeSeconds: number }[]>;
  msgidsLeft(): Promise<number>;
}

export interface Metrics {
  readonly registry: Registry;
  /** Labels endpoint, code: every answer of the API; 00000 at sms_send is what was accepted. */
  readonly answers: Tallies<'endpoint' | 'code'>;
  /** Labels operator, result. */
  readonly submits: Tallies<'operator' | 'result'>;
  /** Labels operator, state. */
  readonly receipts: Tallies<'operator' | 'state'>;
  /** Label result. */
  readonly callbacks: Tallies<'result'>;
  /** Label state: FarEnd, NoAnswer, Busy. */
  readonly calls: Tallies<'state'>;
  /** Label result: right, wrong, or turned-away when too many waited. What was answered without a hash is not here. */
  readonly passwordHashes: Tallies<'result'>;
  /** Seconds from acceptance to the final state. */
  readonly deliverySeconds: Histogram;
  /** Rows of a batch; label stage. */
  readonly batchRows: Histogram<'stage'>;
  /** Commits whose outcome stayed unknown: connections closed without an answer. */
  readonly unresolvedCommits: Tally;
  /** Starts the gauges that need the database. */
  fromDatabase(gauges: DatabaseGauges, now?: () => number): void;
  /** Starts the gauges of calls. */
  fromVoice(gauges: VoiceGauges, now?: () => number): void;
  /** Ends the timer that watches the event loop. */
  stop(): void;
}

const DELIVERY_BUCKETS_SECONDS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 28_800];
const BATCH_BUCKETS_ROWS = [1, 2, 5, 10, 25, 50, 100, 200, 350, 500, 1000];
const EVENT_LOOP_RESOLUTION_MS = 20;
const EVENT_LOOP_QUANTILES = [0.5, 0.99, 1];
const NANOSECONDS = 1e9;

/** A registry of its own for every call: two platforms in one process do not mix. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const tallies = <Label extends string>(name: string, help: string, labels: readonly Label[]): Tallies<Label> =>
    new Tallies(registry, { name, help, labels });
  const unresolved = tallies('feige_unresolved_commits_total', 'Commits whose outcome stayed unknown', []);
  const deliverySeconds = new Histogram({
    name: 'feige_delivery_seconds',
    help: 'Seconds from acceptance to the final state',
    buckets: DELIVERY_BUCKETS_SECONDS,
    registers,
  });
  const batchRows = new Histogram({
    name: 'feige_batch_rows',
    help: 'Rows that went into one batch',
    labelNames: ['stage'] as const,
    buckets: BATCH_BUCKETS_ROWS,
    registers,
  });
  const stopWatching = watchEventLoop(registry);
  watchProcess(registry);
  return {
    registry,
    answers: tallies('feige_answers_total', 'Answers of the API by endpoint and code', ['endpoint', 'code']),
    submits: tallies('feige_submits_total', 'submit_sm by operator and result', ['operator', 'result']),
    receipts: tallies('feige_receipts_total', 'Receipts by operator and state', ['operator', 'state']),
    callbacks: tallies('feige_callbacks_total', 'Callback attempts by result', ['result']),
    calls: tallies('feige_calls_total', 'Calls that ended, by how', ['state']),
    passwordHashes: tallies('feige_password_hashes_total', 'Password hashes computed, by result', ['result']),
    deliverySeconds,
    batchRows,
    unresolvedCommits: unresolved.of(),
    fromDatabase: (gauges, now) => watchDatabase(registry, gauges, now),
    fromVoice: (gauges, now) => watchVoice(registry, gauges, now),
    stop: stopWatching,
  };
}

function watchEventLoop(registry: Registry): () => void {
  const delays = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });
  delays.enable();
  const gauge = new Gauge({
    name: 'feige_event_loop_delay_seconds',
    help: 'Delay of the event loop since the metrics were last read',
    labelNames: ['quantile'] as const,
    registers: [registry],
    collect: () => {
      for (const quantile of EVENT_LOOP_QUANTILES) {
        const delayNs = Math.max(0, delays.percentile(quantile * 100) - EVENT_LOOP_RESOLUTION_MS * 1e6);
        gauge.set({ quantile: String(quantile) }, delayNs / NANOSECONDS);
      }
      delays.reset();
    },
  });
  return () => delays.disable();
}

function watchProcess(registry: Registry): void {
  const memory: Gauge = new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of this process',
    registers: [registry],
    collect: () => memory.set(process.memoryUsage.rss()),
  });
  const cpu = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time this process has used, user and system',
    registers: [registry],
    collect: () => {
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
    },
  });
}

function watchDatabase(registry: Registry, gauges: DatabaseGauges, now: (() => number) | undefined): void {
  const registers = [registry];
  const labelNames = ['operator'] as const;
  const depths = new Remembered(() => gauges.depths(), now);
  const depth: Gauge<'operator'> = new Gauge({
    name: 'feige_queue_messages',
    help: 'Messages waiting in the queue, as counted some seconds ago, up to a million',
    labelNames,
    registers,
    collect: async () => {
      const counted = await depths.get().catch(() => []);
      depth.reset();
      for (const queue of counted) depth.set({ operator: queue.operator }, queue.depth);
    },
  });
  const headAge: Gauge<'operator'> = new Gauge({
    name: 'feige_queue_head_age_seconds',
    help: 'Age of the oldest of the thousand messages that are the next to go out',
    labelNames,
    registers,
    collect: async () => {
      const heads = await gauges.headAges().catch(() => []);
      headAge.reset();
      for (const queue of heads) headAge.set({ operator: queue.operator }, queue.headAgeSeconds);
    },
  });
  const left = new Gauge({
    name: 'feige_msgids_left',
    help: 'msgids that have not been handed out',
    labelNames: [],
    registers,
    collect: async () => {
      const value = await gauges.msgidsLeft().catch(() => undefined);
      if (value === undefined) left.remove();
      else left.set(value);
    },
  });
}
