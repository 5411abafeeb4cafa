/** Leaves out inputs of a batch as long as what is left still does harm; bounded in tries and time. */
const MAX_TRIES = 100;
const MAX_MS = 15_000;

export async function shrink(
  batch: readonly Buffer[],
  doesHarm: (batch: readonly Buffer[]) => Promise<boolean>,
): Promise<readonly Buffer[]> {
  const untilMs = performance.now() + MAX_MS;
  let left = batch;
  let tries = 0;
  for (
    let size = Math.ceil(left.length / 2);
    left.length > 1 && size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < left.length && left.length > 1; ) {
      if (tries >= MAX_TRIES || performance.now() > untilMs) return left;
      tries += 1;
      const less = [...left.slice(0, at), ...left.slice(at + size)];
      if (less.length > 0 && (await doesHarm(less))) left = less;
      else at += size;
    }
  }
  return left;
}
