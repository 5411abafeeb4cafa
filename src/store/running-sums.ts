/** What each row of a batch adds up to together with the rows before it: points a balance must cover, a fair place. */

/** One running sum for each key, such as an account. */
export class RunningSums<Key> {
  readonly #sums = new Map<Key, number>();

  /** The key's sum, this amount included. */
  add(key: Key, amount: number): number {
    const sum = (this.#sums.get(key) ?? 0) + amount;
    this.#sums.set(key, sum);
    return sum;
  }
}

interface ChargedRow {
  readonly accountId: number;
  readonly points: number;
  readonly runningPoints: number;
}

/**
 * Counts `runningPoints` again for the part of a batch that runs once more. The rows that are stored already have been
 * charged, so they must not count against the balance that is left.
 */
export function recountPoints<Row extends ChargedRow>(rows: readonly Row[]): Row[] {
  const points = new RunningSums<number>();
  return rows.map((row) => ({ ...row, runningPoints: points.add(row.accountId, row.points) }));
}
