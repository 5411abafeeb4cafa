/** The run second by second, for whoever has to explain what was found: what was sent, how it ended, what arrived. */
import type { HandsetArrival } from './handset-journal.ts';
import type { InjectedFault } from './recovery.ts';
import type { LoggedRequest } from './request-log.ts';

const SECOND_MS = 1_000;

/** Lines of text; seconds count from the first request. */
export function timeline(
  requests: readonly LoggedRequest[],
  arrivals: readonly HandsetArrival[],
  faults: readonly InjectedFault[],
): string {
  const startMs = requests[0]?.sentAtMs ?? 0;
  const seconds = new Map<number, Map<string, number>>();
  const count = (atMs: number, what: string): void => {
    const second = Math.floor((atMs - startMs) / SECOND_MS);
    const counts = seconds.get(second) ?? new Map<string, number>();
    seconds.set(second, counts.set(what, (counts.get(what) ?? 0) + 1));
  };
  for (const { sentAtMs, endedAtMs, outcome, node } of requests) {
    count(sentAtMs, 'sent');
    const how = outcome?.kind === 'error' ? outcome.code : (outcome?.kind ?? 'never ended');
    count(endedAtMs, `node-${node + 1} ${how}`);
  }
  for (const { atMs } of arrivals) count(atMs, 'arrived');
  const lines = [...seconds]
    .sort(([left], [right]) => left - right)
    .map(
      ([second, counts]) =>
        `${second} s: ${[...counts]
          .sort(([left], [right]) => left.localeCompare(right))
          .map(([what, times]) => `${what} ${times}`)
          .join(', ')}`,
    );
  const told = faults.map((fault) => {
    const [from, to] = [fault.startedAtMs - startMs, fault.healedAtMs - startMs].map((ms) =>
      (ms / SECOND_MS).toFixed(2),
    );
    return `${from} to ${to} s: ${fault.description}`;
  });
  return `${[...told, ...lines].join('\n')}\n`;
}
