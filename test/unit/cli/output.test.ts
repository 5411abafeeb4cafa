import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonText, pairs, printable, table, tableOr, taipei } from '../../../src/cli/output.ts';

test('columns are aligned, numbers to the right, hanzi count as two', () => {
  assert.equal(
    table(
      ['word', 'points', 'x'],
      [
        ['賭博', 5, 'a'],
        ['loan', 100_000, ''],
      ],
    ),
    ['word  points  x', '賭博       5  a', 'loan  100000'].join('\n'),
  );
});

test('an empty table is a sentence', () => {
  assert.equal(tableOr('no accounts', ['a'], []), 'no accounts');
});

test('what others wrote cannot steer the terminal', () => {
  assert.equal(printable('a\u001b[2J\nb\u009b\u2028'), 'a\\u001b[2J\\nb\\u009b\\u2028');
  assert.ok(!table(['a'], [['\u001b[2J']]).includes('\u001b'));
  assert.ok(!pairs([['a', '\u001b[2J']]).includes('\u001b'));
  const data = { text: 'a\u001b[2J\u007f\u009b2J\u2028漢' };
  assert.match(jsonText(data), /^[\n\x20-\x7e漢]+$/);
  assert.deepEqual(JSON.parse(jsonText(data)), data);
});

test('times are shown in Taipei to the millisecond', () => {
  assert.equal(taipei(Date.UTC(2026, 11, 31, 16, 0, 0, 7)), '2027-01-01 00:00:00.007');
});
