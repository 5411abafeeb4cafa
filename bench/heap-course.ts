/** What the samples of a heap say: its course by the minute, and the straight line that fits them best. */
import type { HeapSample } from './heap-probe.ts';

const MIB = 1_048_576;
const MINUTE_MS = 60_000;

export interface HeapCourse {
  /** Heap after garbage collection by this line, at the first and the last of the samples that count. */
  readonly fromMiB: number;
  readonly toMiB: number;
  readonly slopeMiBPerMinute: number;
  /** How far the samples lie from the line, as a root mean square. */
  readonly noiseMiB: number;
  readonly minutes: readonly { readonly minute: number; readonly heapMiB: number; readonly rssMiB: number }[];
}

/** @param warmUpMs samples of the first so many milliseconds are shown, but don't count for the line */
export function heapCourse(samples: readonly HeapSample[], warmUpMs: number): HeapCourse {
  const startMs = samples[0]?.atMs ?? 0;
  const points = samples
    .filter((sample) => sample.atMs - startMs >= warmUpMs)
    .map((sample) => ({ minute: (sample.atMs - startMs) / MINUTE_MS, heapMiB: sample.heapUsed / MIB }));
  const meanMinute = mean(points.map((point) => point.minute));
  const meanMiB = mean(points.map((point) => point.heapMiB));
  const spread = sum(points.map((point) => (point.minute - meanMinute) ** 2));
  const joint = sum(points.map((point) => (point.minute - meanMinute) * (point.heapMiB - meanMiB)));
  const slope = spread === 0 ? 0 : joint / spread;
  const onLine = (minute: number): number => meanMiB + slope * (minute - meanMinute);
  const squares = points.map((point) => (point.heapMiB - onLine(point.minute)) ** 2);
  return {
    fromMiB: rounded(onLine(points[0]?.minute ?? 0)),
    toMiB: rounded(onLine(points.at(-1)?.minute ?? 0)),
    slopeMiBPerMinute: rounded(slope),
    noiseMiB: rounded(Math.sqrt(mean(squares))),
    minutes: byMinute(samples, startMs),
  };
}

function byMinute(samples: readonly HeapSample[], startMs: number): HeapCourse['minutes'] {
  const groups = Map.groupBy(samples, (sample) => Math.floor((sample.atMs - startMs) / MINUTE_MS));
  return [...groups].map(([minute, group]) => ({
    minute,
    heapMiB: rounded(mean(group.map((sample) => sample.heapUsed)) / MIB),
    rssMiB: rounded(mean(group.map((sample) => sample.rss)) / MIB),
  }));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function mean(numbers: readonly number[]): number {
  return numbers.length === 0 ? 0 : sum(numbers) / numbers.length;
}

function rounded(number: number): number {
  return Number(number.toFixed(2));
}
