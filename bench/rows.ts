/** What a benchmark prints: names and values in two columns. */
export type Rows = readonly (readonly [string, string | number])[];

/** Counts by name in one line. */
export function sparse(counts: Readonly<Record<string, number>>, unit = ''): string {
  const parts = Object.entries(counts).map(([name, number]) => `${name} ${number}${unit}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}
