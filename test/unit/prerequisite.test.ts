import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { skipIf } from '../harness/prerequisite.ts';

const found = process.env.CI;
afterEach(() => {
  if (found === undefined) delete process.env.CI;
  else process.env.CI = found;
});

test('what is missing leaves a test out, and on CI fails it', () => {
  for (const value of ['', 'false', '0']) {
    process.env.CI = value;
    assert.equal(skipIf('no PostgreSQL'), 'no PostgreSQL');
  }
  for (const value of ['true', '1']) {
    process.env.CI = value;
    assert.throws(() => skipIf('no PostgreSQL'), /no PostgreSQL/);
    assert.equal(skipIf(undefined), false);
    assert.equal(skipIf(false), false);
  }
});
