import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(ROOT, 'docs/reference/durability.md'), 'utf8');
const LEAST_SEEDS = 20;
const LEAST_FAULTS = 200;

const rows = page
  .split('\n')
  .filter((line) => /^\| \d+ \| (?:hold|resend) \|/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));
const numberIn = (cell: string | undefined): number => Number(cell?.replaceAll(',', ''));
const sum = (column: number): number => rows.reduce((all, row) => all + numberIn(row[column]), 0);

test('what fault runs found is held by tests that are there under the names that the page gives', () => {
  const names = [...page.matchAll(/^\| [^|]+\|[^|]+\|[^|]+\| \*([^*]+)\* \|$/gm)].map((found) => found[1] ?? '');
  assert.ok(names.length >= 5, String(names.length));
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.test.ts'),
  );
  const sources = files.map((file) => readFileSync(join(ROOT, 'test', file), 'utf8')).join('\n');
  for (const name of names) assert.ok(sources.includes(`test('${name}'`), name);
});

test('the seeds of the page are as many as were promised, all different, and their sums are right', () => {
  const seeds = new Set(rows.map((row) => row[1]));
  assert.ok(seeds.size >= LEAST_SEEDS && seeds.size === rows.length);
  assert.ok(sum(3) >= LEAST_FAULTS);
  const total = /^\| (\d+) \| \| (\d+) \| ([\d,]+) \| ([\d,]+) \|/m.exec(page)?.slice(1, 5).map(numberIn);
  assert.deepEqual(total, [rows.length, sum(3), sum(4), sum(5)]);
  // From lost to balance.
  for (const row of rows) assert.deepEqual(row.slice(6, 13).map(numberIn), [0, 0, 0, 0, 0, 0, 0], `seed ${row[1]}`);
  for (const row of rows) {
    const [twice = 0, bound = 0] = row[13]?.split('≤').map(numberIn) ?? [];
    assert.ok(twice <= bound, `seed ${row[1]}`);
  }
});
