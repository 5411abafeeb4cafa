/** When a link is asked for a sign of life, and when it is given up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkWatch } from '../../../src/smpp/link-watch.ts';

const settings = { quietMs: 1000, answerMs: 300, maxMissed: 2, nowMs: 0 };

test('a quiet link is asked, and an answer settles it', () => {
  const watch = new LinkWatch(settings);
  assert.equal(watch.check(999, false), 'fine');
  assert.equal(watch.check(1000, false), 'ask');
  watch.asked(5, 1000);
  assert.equal(watch.check(1299, false), 'fine');
  watch.heard(1299);
  assert.ok(watch.answered(5));
  assert.ok(!watch.answered(5));
  assert.equal(watch.check(2298, false), 'fine');
  assert.equal(watch.check(2299, false), 'ask');
});

test('a request that timed out makes it ask before the silence is long', () => {
  const watch = new LinkWatch(settings);
  assert.equal(watch.check(10, true), 'ask');
});

test('a link silent through two enquiries is dead', () => {
  const watch = new LinkWatch(settings);
  watch.asked(1, 1000);
  assert.equal(watch.check(1300, false), 'ask');
  watch.asked(2, 1300);
  assert.equal(watch.check(1599, false), 'fine');
  assert.equal(watch.check(1600, false), 'dead');
});

test('a peer that talks but never answers enquire_link is alive', () => {
  const watch = new LinkWatch(settings);
  for (let nowMs = 1000; nowMs < 10_000; nowMs += 300) {
    const verdict = watch.check(nowMs, false);
    assert.notEqual(verdict, 'dead');
    if (verdict === 'ask') watch.asked(nowMs, nowMs);
    watch.heard(nowMs + 1);
  }
});

test('with a period of 0 it never asks', () => {
  const watch = new LinkWatch({ ...settings, quietMs: 0 });
  assert.equal(watch.check(1e9, true), 'fine');
});
