import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CODES } from '../../../src/domain/codes.ts';

const PAGE = readFileSync(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8');

test('docs/reference/errors.md lists every code with its text and a cause, and no other', () => {
  const rows = [...PAGE.matchAll(/^\| (\d{5}) \| (.+?) \| (.+) \|$/gm)];
  assert.deepEqual(
    rows.map((row) => [row[1], row[2]]),
    Object.entries(CODES).sort((one, other) => Number(one[0]) - Number(other[0])),
  );
  for (const row of rows) assert.ok((row[3] ?? '').length > 5, `no cause for ${row[1]}`);
});

test('every code that a request can be refused with stands in the order of the checks', () => {
  const order = /## The order of the checks\n([\s\S]*?)\n## /.exec(PAGE)?.[1] ?? '';
  const notInOrder = Object.keys(CODES).filter((code) => !order.includes(code));
  assert.deepEqual(notInOrder.sort(), ['00000', '99998', '99999']);
});
