import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Journal } from '../../../src/simulator/journal.ts';

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'feige-journal-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function fail(error: unknown): never {
  throw error;
}

function written(journal: Journal): Promise<boolean> {
  return new Promise((resolve) => journal.whenWritten(resolve));
}

test('a line is in the file when whenWritten says so', async (t) => {
  const path = directory(t);
  const journal = new Journal({ directory: path, snapshot: () => [], onFault: fail });
  journal.open(fail);
  journal.append('one');
  journal.append('二');
  assert.equal(await written(journal), true);
  assert.equal(readFileSync(join(path, 'simulator.journal'), 'utf8'), 'one\n二\n');
  journal.close();
});

test('the next life reads every line, then begins with what still holds', (t) => {
  const path = directory(t);
  const first = new Journal({ directory: path, snapshot: () => [], onFault: fail });
  first.open(fail);
  const lines = Array.from({ length: 40_000 }, (_, index) => `line ${index} 飛鴿傳書`);
  for (const line of lines) first.append(line);
  first.close();
  const second = new Journal({ directory: path, snapshot: () => ['kept'], onFault: fail });
  const read: string[] = [];
  second.open((line) => read.push(line));
  second.close();
  assert.deepEqual(read, lines);
  assert.equal(readFileSync(join(path, 'simulator.journal'), 'utf8'), 'kept\n');
});

test('the file is rewritten when it has grown, and loses no line that comes meanwhile', async (t) => {
  const path = directory(t);
  const journal = new Journal({
    directory: path,
    snapshot: () => ['all that still holds'],
    onFault: fail,
    rewriteGrowthBytes: 10_000,
  });
  journal.open(fail);
  for (let round = 0; round < 50; round++) {
    journal.append('x'.repeat(1_000));
    await written(journal);
    assert.ok(statSync(join(path, 'simulator.journal')).size <= 12_000);
  }
  journal.append('last');
  journal.close();
  const lines = readFileSync(join(path, 'simulator.journal'), 'utf8').trimEnd().split('\n');
  assert.equal(lines[0], 'all that still holds');
  assert.equal(lines.at(-1), 'last');
});

test('without a directory nothing is kept, and waiting ends all the same', async () => {
  const journal = new Journal({ directory: undefined, snapshot: () => [], onFault: fail });
  journal.open(fail);
  journal.append('gone');
  assert.equal(await written(journal), true);
  journal.close();
  assert.equal(journal.bytes, 0);
});

test('what could not be written is said', async (t) => {
  const journal = new Journal({ directory: directory(t), snapshot: () => [], onFault: fail });
  journal.append('before it is open');
  assert.equal(await written(journal), false);
});
