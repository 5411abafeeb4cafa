import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { identifyProcess, isRunning } from '../../../../src/store/embedded/process-identity.ts';

const MODULE = fileURLToPath(new URL('../../../../src/store/embedded/process-identity.ts', import.meta.url));

test('a process that is not there has no identity', () => {
  const self = identifyProcess(process.pid);
  assert.ok(self && isRunning(self));
  assert.equal(identifyProcess(0), undefined);
  // Beyond the largest id that Linux gives (proc_sys_kernel(5), pid_max).
  assert.equal(identifyProcess(4_194_305), undefined);
});

/**
 * A crowd of connections takes all file descriptors. The server's own PostgreSQL seemed dead then: its postmaster.pid
 * would have been removed, upon which PostgreSQL shuts itself down, and a second one started on the same files.
 */
test('without file descriptors a living process is not taken for a dead one', () => {
  const program = `
    import { closeSync, openSync } from 'node:fs';
    import { identifyProcess, isRunning } from ${JSON.stringify(MODULE)};
    const self = identifyProcess(process.pid);
    const open = [];
    try {
      for (;;) open.push(openSync('/dev/null'));
    } catch (error) {
      if (error.code !== 'EMFILE') throw error;
    }
    let seen;
    try {
      seen = isRunning(self) ? 'running' : 'dead';
    } catch (error) {
      seen = error.code;
    }
    for (const file of open) closeSync(file);
    process.stdout.write(seen);
  `;
  const run = ['-c', 'ulimit -n 64 && exec "$0" --input-type=module-typescript -e "$1"', process.execPath, program];
  assert.equal(execFileSync('/bin/sh', run, { encoding: 'utf8' }), 'EMFILE');
});
