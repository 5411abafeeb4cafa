/**
 * The rank from which claims read the queue, so that they skip the dead rows of messages that were sent. A message gets
 * its rank when its acceptance begins but becomes visible only when that commits, and claims made in between must not
 * leave it below the mark. The mark therefore follows the claims at a distance.
 */

/**
 * A message whose commit took up to this long is found by the next claim; after a longer one, by a claim from rank 0.
 */
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

  /** No message that was committed in time waits below this rank. */
  get rank(): number {
    return this.#rank;
  }
}
