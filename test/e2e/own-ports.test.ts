/** What customers name is called by the platform, so it must not lead to any door of the platform itself. */
import assert from 'node:assert/strict';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { ask, makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';

let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;

before(async () => {
  directory = await makeDataDir();
  platform = await startPlatformProcess({ dataDir: directory.path });
});
after(async () => {
  await platform.end('SIGTERM');
  await directory.remove();
});

const LISTENING = '0A';

/** TCP ports that these processes listen on, as the kernel has them. */
async function listeningPorts(processIds: string[]): Promise<number[]> {
  const sockets = new Set<string>();
  for (const processId of processIds) {
    for (const descriptor of await readdir(`/proc/${processId}/fd`).catch(() => [])) {
      sockets.add(await readlink(`/proc/${processId}/fd/${descriptor}`).catch(() => ''));
    }
  }
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  const rows = tables.flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)));
  const own = rows.filter((row) => row[3] === LISTENING && sockets.has(`socket:[${row[9]}]`));
  return own.map((row) => Number.parseInt(row[1]?.split(':')[1] ?? '', 16));
}

test('no port that the platform or its database listens on is a drurl, though loopback is allowed', async () => {
  const database = JSON.parse(await readFile(`${directory.path}/postgres.json`, 'utf8')) as {
    port: number;
    server: { processId: number };
  };
  const ports = await listeningPorts([String(platform.child.pid), String(database.server.processId)]);
  assert.ok(ports.includes(database.port));
  // HTTP, HTTPS, metrics, the operator, the telephone, SIP, PostgreSQL.
  assert.equal(new Set(ports).size, 7);
  const answerTo = async (drurl: string): Promise<string> =>
    (
      await ask(platform.http, 'sms_send.php', {
        username: 'test',
        password: '1234',
        mobile: '0911222333',
        message: 'hello',
        drurl,
      })
    ).code;
  for (const port of ports) {
    assert.equal(await answerTo(`http://127.0.0.1:${port}/`), '00140', `port ${port}`);
    assert.equal(await answerTo(`http://localhost:${port}/`), '00170', `port ${port}`);
  }
});
