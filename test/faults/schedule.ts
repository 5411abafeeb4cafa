/**
 * What goes wrong, when and for how long, drawn from a seed: the same seed and length give the same schedule, on any
 * machine. Kinds are dealt like cards, each once before any comes again; two faults of one part never overlap.
 */
import { SeededRandom } from './random.ts';

/** What a fault is done to; a part has one fault at a time. */
export type Part =
  | 'node-1'
  | 'node-2'
  | 'simulator'
  | 'database'
  | 'operator link'
  | 'database links'
  | 'customer link';

interface Card {
  readonly kind: string;
  readonly part: Part;
  readonly leastMs: number;
  readonly mostMs: number;
}

const LINKS = ['operator link', 'database links', 'customer link'] as const;

function onLinks<Kind extends string>(kind: Kind, leastMs: number, mostMs: number) {
  return LINKS.map((part) => ({ kind, part, leastMs, mostMs }));
}

/** Longer than a lease (8 s): another node takes over while it stands still. */
const PAST_THE_LEASE_MS = 9_500;

const CARDS = [
  { kind: 'kill -9', part: 'node-1', leastMs: 200, mostMs: 4_000 },
  { kind: 'kill -9', part: 'node-2', leastMs: 200, mostMs: 4_000 },
  { kind: 'kill -9', part: 'simulator', leastMs: 200, mostMs: 3_000 },
  { kind: 'kill -9', part: 'database', leastMs: 200, mostMs: 3_000 },
  { kind: 'SIGSTOP', part: 'node-1', leastMs: 1_000, mostMs: 5_000 },
  { kind: 'SIGSTOP', part: 'node-2', leastMs: PAST_THE_LEASE_MS, mostMs: 12_000 },
  { kind: 'SIGSTOP', part: 'simulator', leastMs: 1_000, mostMs: 6_000 },
  { kind: 'SIGSTOP', part: 'database', leastMs: 1_000, mostMs: 6_000 },
  ...onLinks('cut', 0, 1_500),
  ...onLinks('half-open', 1_000, 6_000),
  ...onLinks('slow', 2_000, 5_000),
  { kind: 'throttles', part: 'operator link', leastMs: 1_000, mostMs: 4_000 },
  { kind: 'answers late', part: 'operator link', leastMs: 1_500, mostMs: 5_000 },
  { kind: 'answers garbage', part: 'operator link', leastMs: 0, mostMs: 0 },
  { kind: 'cuts in mid-PDU', part: 'operator link', leastMs: 0, mostMs: 0 },
  { kind: 'receipts early', part: 'operator link', leastMs: 1_500, mostMs: 4_000 },
  { kind: 'receipts twice', part: 'operator link', leastMs: 1_500, mostMs: 4_000 },
  { kind: 'receipts for unknown ids', part: 'operator link', leastMs: 1_500, mostMs: 4_000 },
  { kind: 'refuses writes', part: 'database', leastMs: 500, mostMs: 4_000 },
  { kind: 'full disk', part: 'database', leastMs: 500, mostMs: 4_000 },
  { kind: 'ends its connections', part: 'database', leastMs: 0, mostMs: 0 },
  { kind: 'answers 500', part: 'customer link', leastMs: 1_000, mostMs: 4_000 },
] as const satisfies readonly Card[];

export type FaultKind = (typeof CARDS)[number]['kind'];

export interface Fault {
  readonly kind: FaultKind;
  readonly part: Part;
  /** After the load began. */
  readonly startMs: number;
  /** 0: it is over at once. */
  readonly durationMs: number;
}

/** What the operator wants done with a submit of unknown outcome. */
export type UnknownPolicy = 'resend' | 'hold';

export interface Schedule {
  readonly seed: number;
  readonly seconds: number;
  readonly unknownPolicy: UnknownPolicy;
  /** In the order in which they begin. */
  readonly faults: readonly Fault[];
}

const FIRST_AT_MS = 2_000;
const MEAN_DISTANCE_MS = 2_600;
const JITTER_MS = 1_200;
/** Load goes on for so long after the last fault is over. */
const QUIET_END_MS = 1_000;
const BETWEEN_FAULTS_OF_A_PART_MS = 300;

/** @param seconds how long requests come */
export function drawSchedule(seed: number, seconds: number): Schedule {
  const random = new SeededRandom(seed);
  const unknownPolicy = seed % 2 === 0 ? 'resend' : 'hold';
  const endMs = seconds * 1_000 - QUIET_END_MS;
  const freeAtMs = new Map<Part, number>();
  const faults: Fault[] = [];
  let deck: Card[] = [];
  for (let atMs = FIRST_AT_MS; atMs < endMs; atMs += MEAN_DISTANCE_MS) {
    if (deck.length === 0) deck = random.shuffled<Card>(CARDS);
    const card = deck.shift();
    if (card === undefined) break;
    const jitterMs = random.integer(0, JITTER_MS);
    const drawnMs = random.integer(card.leastMs, card.mostMs);
    const startMs = Math.max(atMs + jitterMs, freeAtMs.get(card.part) ?? 0);
    if (startMs + card.leastMs > endMs) continue;
    const durationMs = Math.min(drawnMs, endMs - startMs);
    freeAtMs.set(card.part, startMs + durationMs + BETWEEN_FAULTS_OF_A_PART_MS);
    faults.push({ kind: card.kind as FaultKind, part: card.part, startMs, durationMs });
  }
  faults.sort((left, right) => left.startMs - right.startMs);
  return { seed, seconds, unknownPolicy, faults };
}

/** One line, as it is printed. */
export function describeFault(fault: Fault): string {
  const at = `${(fault.startMs / 1_000).toFixed(1)} s`.padStart(7);
  const length = fault.durationMs === 0 ? '' : ` for ${(fault.durationMs / 1_000).toFixed(1)} s`;
  return `${at}  ${fault.part}: ${fault.kind}${length}`;
}
