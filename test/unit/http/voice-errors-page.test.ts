import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { VOICE_QUERY_CODES, VOICE_SEND_CODES } from '../../../src/domain/voice-codes.ts';

const PAGE = readFileSync(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8');

function codesUnder(heading: string): Record<string, string> {
  const section = PAGE.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = [...section.matchAll(/^\| (-\d+) \| (.+?) \| (.+) \|$/gm)];
  for (const row of rows) assert.ok((row[3] ?? '').length > 5, row[1] ?? '');
  return Object.fromEntries(rows.map((row) => [row[1], row[2]]));
}

test('docs/reference/errors.md lists every code of the voice endpoints with its text and a cause, and no other', () => {
  assert.deepEqual(codesUnder('Codes of send_voice.php'), { ...VOICE_SEND_CODES });
  assert.deepEqual(codesUnder('Codes of query_voice.php'), { ...VOICE_QUERY_CODES });
});
