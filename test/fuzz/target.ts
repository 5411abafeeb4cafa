/** What the runner of the fuzzing asks of whatever reads the inputs; a new protocol is one more of these. */
import type { Seeds } from './mutation.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Of the inputs of a run; those of SMPP and HTTP together are 1. */
  readonly share: number;
  readonly seeds: Seeds;
  start(): Promise<StartedTarget>;
}

/** How many inputs were taken for good, and how many for broken: all of one kind would show nothing. */
export interface Verdicts {
  good: number;
  broken: number;
}

export interface StartedTarget {
  readonly verdicts: Verdicts;
  /**
   * Reads each of the inputs, and makes sure that what is healthy beside them is so still. Rejects when an input did
   * harm: an exception, a hang, a broken neighbour.
   */
  feed(inputs: readonly Buffer[]): Promise<void>;
  stop(): Promise<void>;
}
