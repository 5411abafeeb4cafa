import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeDataDir, processesOf } from '../harness/platform-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TEN_SECONDS_MS = 10_000;

for (const { how, end } of [
  { how: 'SIGTERM to npm’s own process', end: (pid: number) => process.kill(pid, 'SIGTERM') },
  { how: 'Ctrl-C to the whole group', end: (pid: number) => process.kill(-pid, 'SIGINT') },
]) {
  test(`npm start ends by ${how} with exit code 0 and leaves no process`, async () => {
    const directory = await makeDataDir();
    const ports = { HTTP_PORT: '0', HTTPS_PORT: '0', METRICS_PORT: '0', SMSC_PORT: '0', TELEPHONE_PORT: '0' };
    const child = spawn('npm', ['start'], {
      cwd: ROOT,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...ports, DATA_DIR: directory.path },
    });
    try {
      let output = '';
      const up = Promise.withResolvers<void>();
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes('smsmo_query.php')) up.resolve();
      });
      const exited = once(child, 'exit') as Promise<[number | null]>;
      await Promise.race([up.promise, exited]);
      assert.match(output, /Feige 飛鴿 is up/);
      const startedMs = performance.now();
      end(child.pid ?? 0);
      const [code] = await exited;
      assert.equal(code, 0, output);
      assert.ok(performance.now() - startedMs < TEN_SECONDS_MS);
      assert.deepEqual(await processesOf(directory.path), []);
    } finally {
      await directory.remove();
    }
  });
}
