import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StrayWatch } from '../../../src/base/stray-watch.ts';

test('strays are looked for after a lost statement, and once more half a minute later', (t) => {
  let nowMs = 1_000;
  t.mock.method(performance, 'now', () => nowMs);
  const watch = new StrayWatch();
  assert.equal(watch.isDue(), false);
  watch.statementLost();
  assert.equal(watch.isDue(), true);
  watch.looked();
  assert.equal(watch.isDue(), false);
  nowMs += 29_999;
  assert.equal(watch.isDue(), false);
  nowMs += 1;
  assert.equal(watch.isDue(), true);
  watch.looked();
  assert.equal(watch.isDue(), false);
});

test('a hand-over and a look for strays exclude each other', () => {
  const watch = new StrayWatch();
  assert.equal(watch.beginHandOver(), true);
  watch.statementLost();
  assert.equal(watch.isDue(), false, 'what is being handed over would look like a stray');
  assert.equal(watch.beginHandOver(), false, 'no further one, or the look would never come');
  watch.handedOver();
  assert.equal(watch.isDue(), true);
  watch.looked();
  assert.equal(watch.beginHandOver(), true);
});

test('the end of the hand-overs can be waited for', async () => {
  const watch = new StrayWatch();
  await watch.handOversEnd();
  watch.beginHandOver();
  watch.beginHandOver();
  let ended = false;
  const end = watch.handOversEnd().then(() => {
    ended = true;
  });
  watch.handedOver();
  await Promise.resolve();
  assert.equal(ended, false);
  watch.handedOver();
  await end;
  assert.equal(ended, true);
});
