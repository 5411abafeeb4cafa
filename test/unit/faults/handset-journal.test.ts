import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { arrivalLine } from '../../../src/simulator/journal-lines.ts';
import { HandsetJournal } from '../../faults/handset-journal.ts';

let directory: string;
let path: string;
let journal: HandsetJournal;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'feige-journal-'));
  path = join(directory, 'simulator.journal');
  journal = new HandsetJournal(directory);
});
afterEach(() => {
  journal.close();
  rmSync(directory, { recursive: true });
});

function line(serial: number, atMs: number, sequence?: number): string {
  const arrival = { number: '0911222333', from: '', text: `字#${serial}#`, atMs };
  const part = sequence === undefined ? {} : { part: { reference: 7, total: 2, sequence } };
  return `${arrivalLine({ ...arrival, ...part })}\n`;
}

function replace(text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

test('arrivals are read while the file grows, and no line before its end', () => {
  writeFileSync(path, line(1, 10));
  journal.poll();
  const next = line(2, 20);
  appendFileSync(path, next.slice(0, 9));
  journal.poll();
  assert.deepEqual(journal.arrivals, [{ serial: 1, segment: 1, atMs: 10 }]);
  appendFileSync(path, next.slice(9));
  journal.poll();
  assert.deepEqual(journal.arrivals.at(-1), { serial: 2, segment: 1, atMs: 20 });
});

test('what a rewritten journal repeats is no second arrival, what it forgot stays', () => {
  writeFileSync(path, line(1, 10) + line(3, 12, 1));
  journal.poll();
  replace(line(3, 12, 1) + line(3, 30, 2));
  journal.poll();
  assert.deepEqual(
    journal.arrivals.map(({ serial, segment }) => `${serial}/${segment}`),
    ['1/1', '3/1', '3/2'],
  );
});

test('a segment that came twice is there twice', () => {
  writeFileSync(path, line(1, 10) + line(1, 11));
  journal.poll();
  assert.equal(journal.arrivals.length, 2);
});

test('what was added between the last look and the rewrite is read from the old file', () => {
  writeFileSync(path, line(1, 10));
  journal.poll();
  appendFileSync(path, line(2, 20));
  replace(line(4, 40));
  journal.poll();
  assert.deepEqual(
    journal.arrivals.map((one) => one.serial),
    [1, 2, 4],
  );
});
