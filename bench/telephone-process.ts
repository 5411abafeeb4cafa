/**
 * The simulated telephones as a process of their own, which tells the benchmark when calls ended and how evenly packets
 * arrived. An arrival is the moment its own event loop hands the packet over: what delays that loop counts as well, which
 * is why the system is asked to give it its turn first.
 */
import { setPriority } from 'node:os';
import { FollowingClock } from '../src/base/clock.ts';
import { createLogger } from '../src/base/log.ts';
import { SimulatedTelephone } from '../src/simulator/callee.ts';
import type { SimulatedCall } from '../src/simulator/calls.ts';
import { Latencies } from './latencies.ts';
import { machineNowMs } from './instants.ts';

export type TelephoneOrder =
  | { readonly kind: 'listen' }
  /** How many calls talk? */
  | { readonly kind: 'look' }
  /** Begin to note when packets arrive. */
  | { readonly kind: 'measure' }
  /** End that, and tell. */
  | { readonly kind: 'tell' };

export interface EndedCall {
  readonly number: string;
  /** Of `machineNowMs`: when the BYE, or whatever ended it, came or was sent. */
  readonly atMs: number;
  readonly answered: boolean;
  readonly packets: number;
  readonly lost: number;
}

export type TelephoneReport =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'talking'; readonly calls: number }
  /** `spacing` is what `counts` of Latencies gives: between one packet of a call and the next. */
  | { readonly kind: 'heard'; readonly spacing: Uint32Array; readonly packets: number }
  | { readonly kind: 'ended'; readonly calls: readonly EndedCall[] };

const REPORT_EVERY_MS = 5;
const NICE = -10;

class Listener {
  readonly #heardMs = new Map<SimulatedCall, number>();
  readonly #ended: EndedCall[] = [];
  #talking = 0;
  #spacing = new Latencies();
  #packets = 0;
  #measuring = false;

  get talking(): number {
    return this.#talking;
  }

  heard(call: SimulatedCall, atMs: number): void {
    if (call.packets === 1) this.#talking += 1;
    if (!this.#measuring) return;
    this.#packets += 1;
    const before = this.#heardMs.get(call);
    if (before !== undefined) this.#spacing.add(atMs - before);
    this.#heardMs.set(call, atMs);
  }

  ended({ number, answeredAtMs, packets, lost }: SimulatedCall): void {
    if (packets > 0) this.#talking -= 1;
    this.#ended.push({ number, atMs: machineNowMs(), answered: answeredAtMs !== undefined, packets, lost });
  }

  takeEnded(): EndedCall[] {
    return this.#ended.splice(0);
  }

  measure(): void {
    this.#heardMs.clear();
    this.#spacing = new Latencies();
    this.#packets = 0;
    this.#measuring = true;
  }

  tell(): { spacing: Uint32Array; packets: number } {
    this.#measuring = false;
    return { spacing: this.#spacing.counts, packets: this.#packets };
  }
}

/** Calls end while the benchmark goes away: then nobody listens. */
function report(message: TelephoneReport): void {
  process.send?.(message, () => {});
}

/** A measuring instrument that waits for its turn measures the waiting. Where it is not allowed, it does. */
function hurry(): void {
  try {
    setPriority(NICE);
  } catch {
    // Without CAP_SYS_NICE.
  }
}

function follow(): void {
  hurry();
  const listener = new Listener();
  const telephone = new SimulatedTelephone({
    host: '127.0.0.1',
    port: 0,
    log: createLogger({ level: 'warn', destination: process.stderr }),
    clock: new FollowingClock(),
    dataDir: undefined,
    observer: listener,
  });
  setInterval(() => {
    const calls = listener.takeEnded();
    if (calls.length > 0) report({ kind: 'ended', calls });
  }, REPORT_EVERY_MS);
  process.on('message', (order: TelephoneOrder) => {
    switch (order.kind) {
      case 'listen':
        void telephone.start().then(({ port }) => report({ kind: 'listening', port }));
        return;
      case 'look':
        report({ kind: 'talking', calls: listener.talking });
        return;
      case 'measure':
        listener.measure();
        return;
      case 'tell':
        report({ kind: 'heard', ...listener.tell() });
        return;
    }
  });
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit());
}

if (import.meta.main) follow();
