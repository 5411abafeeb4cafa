import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAccount } from '../../../../src/store/embedded/postgres-binaries.ts';

const ROOT = 'root:x:0:0:root:/root:/bin/bash';
const NOBODY = 'nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin';
const POSTGRES = 'postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash';

test('the user postgres is preferred wherever it stands', () => {
  assert.deepEqual(parseAccount([ROOT, NOBODY, POSTGRES].join('\n')), { uid: 101, gid: 104 });
});

test('nobody will do', () => {
  assert.deepEqual(parseAccount([ROOT, NOBODY, ''].join('\n')), { uid: 65_534, gid: 65_533 });
});

test('root under another name is not taken, nor is a line without numbers', () => {
  assert.equal(parseAccount([ROOT, 'postgres:x:0:0::/:/bin/sh'].join('\n')), undefined);
  assert.equal(parseAccount([ROOT, 'nobody'].join('\n')), undefined);
});
