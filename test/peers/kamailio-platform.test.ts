/** A trunk to Kamailio as docs/kamailio.md sets it up, by the command line, and a call of the running platform through it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { writeWav } from '../../src/base/wave-file.ts';
import { makeDataDir, startPlatformProcess } from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';
import { startBaresip } from './baresip.ts';
import { SECRET_KEY, startCommandLine } from './command-line.ts';
import { assertHeardWhole } from './heard-whole.ts';
import { HOST_NAME, type Kamailio, PASSWORD, startKamailio } from './kamailio.ts';
import { testSpeech } from './listening.ts';
import { freePort, makeFolder, runPeer } from './peer-process.ts';

const PHONE = '0912345678';

function addTrunk(name: string, kamailio: Kamailio, transport: 'udp' | 'tcp' | 'tls'): string[] {
  const words = ['trunk', 'add', name, '--host', '127.0.0.1', '--port', String(kamailio.ports[transport])];
  words.push('--transport', transport, '--username', 'feige', '--password-stdin');
  words.push('--from-user', '0223456789', '--domain', 'operator.example', '--priority', '1');
  if (transport === 'tls') words.push('--tls-ca', kamailio.certificateFile, '--tls-servername', HOST_NAME);
  return words;
}

test('trunk add and trunk test find Kamailio over UDP, TCP and TLS, and nobody behind a name that is not in its certificate', async (t) => {
  const { feige } = await startCommandLine(t);
  const kamailio = await startKamailio(t, { calleePort: await freePort() });
  for (const transport of ['udp', 'tcp', 'tls'] as const) {
    const added = await feige(addTrunk(transport, kamailio, transport), `${PASSWORD}\n`);
    assert.equal(added.code, 0, added.stderr);
    assert.ok(!added.stdout.includes(PASSWORD));
    const tested = await feige(['trunk', 'test', transport]);
    assert.equal(tested.code, 0, tested.stderr);
    const where = `${transport} at 127\\.0\\.0\\.1:${kamailio.ports[transport]} over ${transport}`;
    assert.match(tested.stdout, new RegExp(`^${where}: answered 200 in \\d+ ms\n$`));
  }
  await feige(['trunk', 'set', 'tls', '--tls-servername', 'other.example']);
  const refused = await feige(['trunk', 'test', 'tls']);
  assert.equal(refused.code, 1, refused.stdout);
});

test('a request over HTTP is heard whole behind Kamailio, through a trunk that was added on the command line', async (t) => {
  const { databaseUrl, feige } = await startCommandLine(t);
  const baresip = await startBaresip(t, 'PCMA', PHONE);
  const kamailio = await startKamailio(t, { calleePort: baresip.port, algorithm: 'SHA-256' });
  assert.equal((await feige(addTrunk('kamailio', kamailio, 'tls'), PASSWORD)).code, 0);
  const directory = await makeDataDir();
  const platform = await startPlatformProcess({
    dataDir: directory.path,
    env: { DATABASE_URL: databaseUrl, SIMULATOR: 'on', SECRET_KEY },
  });
  t.after(async () => {
    await platform.end('SIGTERM');
    await directory.remove();
  });
  const samples = testSpeech(2);
  const voiceUrl = await serve(t, await recordingOf(t, samples));
  const parameters = { username: 'test', password: '1234', type: '2', phone: PHONE, message: '', voice_url: voiceUrl };
  const answer = await get(`${platform.http}/send_voice.php`, parameters);
  const msgid = /^resp=(\d{8,11}),\d+$/.exec(answer)?.[1] ?? assert.fail(answer);
  const end = await eventually('the end of the call', async () => {
    const found = await get(`${platform.http}/query_voice.php`, { username: 'test', password: '1234', msgid });
    return found === 'resp=-5' ? undefined : found;
  });
  const life = await feige(['call', 'show', msgid]);
  const story = `${end}\n${life.stdout}\n${kamailio.process.output()}`;
  assert.match(end, new RegExp(`^resp=${msgid},${PHONE},\\d+,\\d+,\\w+$`), story);
  for (const words of ['407', '200 OK', 'kamailio']) assert.ok(life.stdout.includes(words), story);
  for (const method of ['ACK', 'BYE']) assert.match(story, new RegExp(`relayed ${method} from tls:`));
  await assertHeardWhole(t, samples, await baresip.recording());
});

/** As sox writes it: A-law with a `fact` chunk. */
async function recordingOf(context: TestContext, samples: Int16Array): Promise<Buffer> {
  const folder = await makeFolder(context);
  const [linear, aLaw] = [join(folder, 'linear.wav'), join(folder, 'a-law.wav')];
  await writeFile(linear, writeWav(samples));
  await runPeer(context, 'sox', [linear, '-e', 'a-law', aLaw]);
  return readFile(aLaw);
}

async function get(url: string, parameters: Record<string, string>): Promise<string> {
  const response = await fetch(`${url}?${new URLSearchParams(parameters).toString()}`);
  assert.equal(response.status, 200);
  return response.text();
}

/** The address of a server that has one file. */
async function serve(context: TestContext, file: Buffer): Promise<string> {
  const server = createServer((_request, response) => response.end(file)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/speech.wav`;
}
