/** Taking a batch apart, so that an item which fails its statement fails no other. */

/** The results of both halves, one after the other and in the items' order; `run` says what becomes of each half. */
export async function inHalves<Item, Result>(
  batch: readonly Item[],
  run: (half: readonly Item[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const middle = Math.ceil(batch.length / 2);
  const first = await run(batch.slice(0, middle));
  return [...first, ...(await run(batch.slice(middle)))];
}
