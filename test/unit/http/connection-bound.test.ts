import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectionsEach, connectionWarning, readOpenFileLimit } from '../../../src/http/connection-bound.ts';
import { temporaryDirectory } from '../../wire/http/temporary-directory.ts';

test('with files enough each port takes 10,000 connections, and nothing is said', () => {
  for (const openFiles of [undefined, 21_000, 1_048_576]) {
    assert.equal(connectionsEach(openFiles, 2), 10_000);
    assert.equal(connectionWarning(openFiles, 2), undefined);
  }
});

test('ports share what a thousand files for everything else leave over', () => {
  assert.equal(connectionsEach(8_192, 2), 3_596);
  assert.equal(connectionsEach(8_192, 1), 7_192);
});

test('with few files clients get half of them, and never none', () => {
  assert.equal(connectionsEach(1_024, 2), 256);
  assert.equal(connectionsEach(300, 2), 75);
  assert.equal(connectionsEach(20, 2), 16);
});

test('a bound far below 10,000 is told with what to raise, and to what', () => {
  const warning = connectionWarning(1_024, 2) ?? assert.fail();
  assert.match(warning, /only 256 connections/);
  assert.match(warning, /open files is 1024/);
  assert.match(warning, /21000 .*LimitNOFILE/);
});

test('the limit is the soft one that the kernel tells of this process', () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, 'limits');
  const table = (soft: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             31347                31347                processes \nMax open files            ${soft}                 524288               files     \n`;
  writeFileSync(path, table('1024'));
  assert.equal(readOpenFileLimit(path), 1_024);
  writeFileSync(path, table('unlimited'));
  assert.equal(readOpenFileLimit(path), undefined);
  writeFileSync(path, 'something else');
  assert.equal(readOpenFileLimit(path), undefined);
  assert.equal(readOpenFileLimit(join(directory.path, 'absent')), undefined);
  if (process.platform === 'linux') assert.ok((readOpenFileLimit() ?? 1) > 0);
  directory.remove();
});
