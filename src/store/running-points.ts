/** The points of each account's rows up to and with each row: what a balance must cover, in the rows' order. */

interface ChargedRow {
  readonly accountId: number;
  readonly points: number;
  readonly runningPoints: number;
}

/**
 * The sums anew for what is left of a batch that runs again: what is stored already was charged, and must not count
 * against what is left of the balance.
 */
export function recountPoints<Row extends ChargedRow>(rows: readonly Row[]): Row[] {
  const points = new Map<number, number>();
  return rows.map((row) => {
    const runningPoints = (points.get(row.accountId) ?? 0) + row.points;
    points.set(row.accountId, runningPoints);
    return { ...row, runningPoints };
  });
}
