/** A process that may open few files: strangers' connections must not take those of the database and the operators. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { ask, makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';

const OPEN_FILES = 300;
const IDLE = 330;

let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;

before(async () => {
  directory = await makeDataDir();
  platform = await startPlatformProcess({ dataDir: directory.path, openFiles: OPEN_FILES });
});
after(async () => {
  await platform.end('SIGTERM');
  await directory.remove();
});

async function openIdle(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  return socket.resume();
}

test('330 idle connections where 300 files may be open leave the other port and the database their own', async () => {
  assert.match(platform.output(), /only 75 connections are taken at once on each HTTP port/);
  const idle = await Promise.all(Array.from({ length: IDLE }, () => openIdle(platform.https)));
  try {
    // To the operator and its handset, on a link of its own.
    const arrived = fetch(`${platform.http}/simulator/handsets/0911222333/messages?wait=20`);
    const message = { username: 'test', password: '1234', mobile: '0911222333', message: 'Hello' };
    assert.equal((await ask(platform.http, 'sms_send.php', message)).code, '00000');
    assert.match(await (await arrived).text(), /Hello/);
    assert.doesNotMatch(platform.output(), /EMFILE/);
  } finally {
    for (const socket of idle) socket.destroy();
  }
});
