/** The clock that all processes of a machine share: what one notes, another may subtract. */
const NANOSECONDS_PER_MS = 1e6;

/** Milliseconds since an instant that is the same for every process, and not touched when the time of day is set. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / NANOSECONDS_PER_MS;
}
