import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupCommit } from '../../../src/base/group-commit.ts';

test('beyond the bound an item is turned away at once, and is taken again when a batch has made room', async () => {
  const batches: { items: readonly string[]; commit: () => void }[] = [];
  const begun: (() => void)[] = [];
  const commits = new GroupCommit<string, string>({
    maxBatch: 2,
    lingerMs: 0,
    maxWaiting: 3,
    run: (items) =>
      new Promise((resolve) => {
        batches.push({ items, commit: () => resolve(items.map((item) => item.toUpperCase())) });
        begun.shift()?.();
      }),
  });
  const next = (): Promise<void> => new Promise((resolve) => begun.push(resolve));

  const results = ['a', 'b', 'c', 'd', 'e'].map((item) => commits.submit(item));
  assert.equal(commits.waiting, 3, 'two are in the batch under way');
  assert.equal(commits.submit('f'), undefined);
  let settled = false;
  const added = commits.add('g', () => {
    settled = true;
  });
  assert.equal(added, false);

  const second = next();
  batches[0]?.commit();
  await second;
  const late = commits.submit('h');
  assert.notEqual(late, undefined);
  const third = next();
  batches[1]?.commit();
  await third;
  batches[2]?.commit();
  assert.deepEqual(await Promise.all([...results, late]), ['A', 'B', 'C', 'D', 'E', 'H']);
  assert.deepEqual(
    batches.map((batch) => batch.items),
    [
      ['a', 'b'],
      ['c', 'd'],
      ['e', 'h'],
    ],
  );
  await commits.drain();
  assert.equal(settled, false, 'what was turned away hears nothing more');
});
