/**
 * Asks the registry whether packages of the lockfile have known weaknesses. Ends with 1 when one is of high severity or
 * worse; a registry that does not answer such questions is told of, and is no failure.
 */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const TIMEOUT_MS = 60_000;
const SEVERITIES = ['critical', 'high', 'moderate', 'low'];
const FAILING = ['critical', 'high'];

const result = spawnSync('npm', ['audit', '--json'], {
  cwd: dirname(dirname(fileURLToPath(import.meta.url))),
  encoding: 'utf8',
  timeout: TIMEOUT_MS,
  shell: process.platform === 'win32',
});
const counts = readCounts(result.stdout ?? '');
if (counts === undefined) {
  process.stdout.write('npm audit: the registry did not answer; nothing is known of weaknesses.\n');
} else {
  process.stdout.write(`npm audit: ${SEVERITIES.map((name) => `${counts[name] ?? 0} ${name}`).join(', ')}\n`);
  if (FAILING.some((name) => (counts[name] ?? 0) > 0)) process.exitCode = 1;
}

function readCounts(text) {
  try {
    return JSON.parse(text).metadata?.vulnerabilities;
  } catch {
    return undefined;
  }
}
