/** How many segments came to an operator within any second. */
export function mostInAnySecond(arrivalsMs: readonly number[]): number {
  let most = 0;
  let first = 0;
  for (const [last, atMs] of arrivalsMs.entries()) {
    while ((arrivalsMs[first] ?? atMs) <= atMs - 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
