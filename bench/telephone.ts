/** The process of the simulated telephones, seen from the benchmark: what it told so far, and questions to it. */
import { Latencies } from './latencies.ts';
import { Peer } from './peer.ts';
import type { EndedCall, TelephoneOrder, TelephoneReport } from './telephone-process.ts';

export class Telephone {
  /** By number; of several calls to one the last. */
  readonly ended = new Map<string, EndedCall>();
  readonly #peer = new Peer<TelephoneOrder, TelephoneReport>(new URL('./telephone-process.ts', import.meta.url));
  readonly #waiters = new Map<string, (call: EndedCall) => void>();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.#peer.onReport((report) => {
      if (report.kind !== 'ended') return;
      for (const call of report.calls) {
        this.ended.set(call.number, call);
        this.#waiters.get(call.number)?.(call);
      }
    });
  }

  get processId(): number {
    return this.#peer.processId;
  }

  /** Gives its SIP port. */
  async listen(): Promise<number> {
    this.#peer.order({ kind: 'listen' });
    return (await this.#peer.report('listening', this.#signal)).port;
  }

  /** Calls that hear something now. */
  async talking(): Promise<number> {
    this.#peer.order({ kind: 'look' });
    return (await this.#peer.report('talking', this.#signal)).calls;
  }

  measure(): void {
    this.#peer.order({ kind: 'measure' });
  }

  /** How long after each other the packets of each call came since `measure`. */
  async heard(): Promise<{ spacing: Latencies; packets: number }> {
    this.#peer.order({ kind: 'tell' });
    const { spacing, packets } = await this.#peer.report('heard', this.#signal);
    return { spacing: new Latencies(spacing), packets };
  }

  /** The end of the next call to this number. */
  nextEnd(number: string): Promise<EndedCall> {
    return new Promise((resolve) => {
      this.#waiters.set(number, (call) => {
        this.#waiters.delete(number);
        resolve(call);
      });
    });
  }

  stop(): Promise<void> {
    return this.#peer.stop();
  }
}
