/**
 * An operator that takes everything, sends a receipt for each, and counts: what came when, over which session, and how
 * many sessions were bound at once.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type ScriptedOperator, startScriptedOperator } from './scripted-operator.ts';

const RECEIPT_AFTER_MS = 50;

export interface Arrival {
  readonly atMs: number;
  readonly text: string;
  /** Counted from 1 as they bind. */
  readonly session: number;
}

export interface CountingOperator {
  readonly port: number;
  readonly arrivals: readonly Arrival[];
  readonly sessions: ScriptedOperator['sessions'];
  /** How often each text came. */
  delivered(): ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** @param answerAfterMs how long a submit waits for its response */
export async function startCountingOperator(answerAfterMs: number): Promise<CountingOperator> {
  const arrivals: Arrival[] = [];
  let stopped = false;
  /** Until it is taken, as operators do. */
  const tell = async (id: string, mobile: string): Promise<void> => {
    while (!stopped) {
      await pause(RECEIPT_AFTER_MS);
      const result = await operator.receipt({ id, stat: 'DELIVRD', from: mobile }).catch(() => undefined);
      if (result?.kind === 'response' && result.status === 0) return;
    }
  };
  const operator = await startScriptedOperator((submit) => {
    const text = Buffer.from(submit.message.shortMessage).toString();
    arrivals.push({ atMs: performance.now(), text, session: submit.session });
    const id = `id${submit.n}`;
    setTimeout(() => {
      submit.accept(id);
      void tell(id, submit.mobile);
    }, answerAfterMs);
  });
  return {
    port: operator.port,
    arrivals,
    sessions: operator.sessions,
    delivered: () => {
      const times = new Map<string, number>();
      for (const { text } of arrivals) times.set(text, (times.get(text) ?? 0) + 1);
      return times;
    },
    stop: () => {
      stopped = true;
      return operator.stop();
    },
  };
}
