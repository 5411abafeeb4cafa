import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FeigeError } from '../../src/base/errors.ts';
import { createLogger } from '../../src/base/log.ts';
import { startAgain } from '../../src/start-again.ts';

const log = createLogger({ level: 'silent' });
const LONG_MS = 60_000;

function away(code = 'ECONNREFUSED'): FeigeError {
  return new FeigeError('DATABASE_UNREACHABLE', 'no', { cause: Object.assign(new Error('no'), { code }) });
}

/** Fails with these errors, one after the other, and is up then. */
function failing(errors: readonly Error[]): { start: () => Promise<string>; starts: () => number } {
  let starts = 0;
  const start = async (): Promise<string> => {
    starts += 1;
    const error = errors[starts - 1];
    if (error) throw error;
    return 'up';
  };
  return { start, starts: () => starts };
}

test('a start whose database is away, or lost in the middle, goes on when the database is there', async () => {
  const lost = new Error('Connection terminated unexpectedly');
  const { start } = failing([away(), away('57P03'), lost]);
  const { signal: unwanted } = new AbortController();
  assert.equal(await startAgain({ start, patienceMs: LONG_MS, unwanted, log }), 'up');
});

test('a start fails at once for what no waiting mends', async () => {
  const { signal: unwanted } = new AbortController();
  const wrongPassword = '28P01';
  const taken = Object.assign(new Error('taken'), { code: 'EADDRINUSE' });
  for (const error of [away(wrongPassword), away('3D000'), taken, new TypeError('a mistake')]) {
    const { start, starts } = failing([error]);
    await assert.rejects(startAgain({ start, patienceMs: LONG_MS, unwanted, log }), error);
    assert.equal(starts(), 1);
  }
});

test('a start gives up when its patience has ended', async () => {
  const { signal: unwanted } = new AbortController();
  const error = away();
  const { start, starts } = failing([error]);
  await assert.rejects(startAgain({ start, patienceMs: 0, unwanted, log }), error);
  assert.equal(starts(), 1);
});

test('a start that waits for its database ends when it is told to', async () => {
  const unwanted = new AbortController();
  const start = async (): Promise<string> => {
    unwanted.abort();
    throw away();
  };
  assert.equal(await startAgain({ start, patienceMs: LONG_MS, unwanted: unwanted.signal, log }), undefined);
});
