/**
 * From which rank on a claim looks through the queue, so that it needs not pass the dead rows of what went out. A
 * message gets its rank when its acceptance begins and can be seen when that is committed: claims that went on behind
 * it meanwhile must not have left it below their mark. The mark therefore follows the claims at a distance.
 */

/** Commits that took up to so long are found by the next claim, later ones by a claim from 0. */
const BEHIND_MS = 100;

export class LowWaterMark {
  #rank = 0;
  #next: { readonly rank: number; readonly atMs: number } | undefined;

  /** @param rank the lowest that a claim found; @param nowMs monotonic, after the claim */
  note(rank: number, nowMs: number): void {
    if (this.#next !== undefined && nowMs - this.#next.atMs < BEHIND_MS) return;
    this.#rank = this.#next?.rank ?? 0;
    this.#next = { rank, atMs: nowMs };
  }

  /** Nothing that was committed in time waits below it. */
  get rank(): number {
    return this.#rank;
  }
}
