import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);

test('every file that SECURITY.md names is there', () => {
  const page = readFileSync(new URL('SECURITY.md', ROOT), 'utf8');
  const paths = [...page.matchAll(/(?:`|\()((?:src|test|scripts|docs)\/[\w/.-]+\.\w+)(?:`|\))/g)].map(
    (found) => found[1] ?? '',
  );
  assert.ok(paths.length > 30, String(paths.length));
  assert.deepEqual(
    paths.filter((path) => !existsSync(new URL(path, ROOT))),
    [],
  );
});
