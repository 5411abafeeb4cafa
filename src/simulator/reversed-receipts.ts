/**
 * Holds the receipts of a long message until its last segment was taken, and lets them go in reverse order. A message
 * that stays unfinished loses none: what is there goes after a while.
 */
import type { Clock } from '../base/clock.ts';
import type { Deliveries } from './deliveries.ts';
import type { DueQueue } from './due-queue.ts';
import type { OwedDelivery } from './owed-delivery.ts';

const MAX_GROUPS = 10_000;
const MAX_WAIT_MS = 10_000;

export class ReversedReceipts {
  readonly #clock: Clock;
  readonly #later: DueQueue;
  readonly #deliveries: Deliveries;
  readonly #groups = new Map<string, Map<number, OwedDelivery>>();

  constructor(dependencies: { clock: Clock; later: DueQueue; deliveries: Deliveries }) {
    this.#clock = dependencies.clock;
    this.#later = dependencies.later;
    this.#deliveries = dependencies.deliveries;
  }

  /** @param place.key equal for all segments of the message */
  add(owed: OwedDelivery, place: { key: string; total: number; sequence: number }): void {
    const group = this.#groups.get(place.key) ?? this.#begin(place.key);
    if (group === undefined || group.has(place.sequence)) {
      this.#deliveries.schedule(owed);
      return;
    }
    this.#deliveries.hold(owed);
    group.set(place.sequence, owed);
    if (group.size >= place.total) this.#release(place.key, group);
  }

  #begin(key: string): Map<number, OwedDelivery> | undefined {
    if (this.#groups.size >= MAX_GROUPS) return undefined;
    const group = new Map<number, OwedDelivery>();
    this.#groups.set(key, group);
    this.#later.at(this.#clock.now() + MAX_WAIT_MS, () => {
      if (this.#groups.get(key) === group) this.#release(key, group);
    });
    return group;
  }

  #release(key: string, group: Map<number, OwedDelivery>): void {
    this.#groups.delete(key);
    const backwards = [...group].sort(([left], [right]) => right - left).map(([, owed]) => owed);
    const dueMs = Math.max(...backwards.map((owed) => owed.dueMs));
    for (const owed of backwards) this.#deliveries.schedule({ ...owed, dueMs });
  }
}
