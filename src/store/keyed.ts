/**
 * How batches look up rows in tables that are often empty: `queue`, `in_flight`, `outbox` and the like. Once such a
 * table was vacuumed with at most one row in it, the planner thinks it cheaper to compare every row of the table with
 * every row of the batch than to use the index, and keeps doing so when the table holds thousands (measured: 12 times
 * slower with 8,000 rows). It considers that plan for an equality only; for a range, even one of a single key, it uses
 * the index.
 */

/** SQL that means `column = value`; `column` has to be the first column of an index of its table. */
export function keyed(column: string, value: string): string {
  return `${column} BETWEEN ${value} AND ${value}`;
}
