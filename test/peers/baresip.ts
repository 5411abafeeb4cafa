/** baresip as a telephone without sound hardware: it answers at once, and keeps what it hears as a WAVE file. */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort, makeFolder, type PeerProcess, startPeer } from './peer-process.ts';

const MODULES = '/usr/lib/baresip/modules';

export interface Baresip {
  readonly port: number;
  readonly process: PeerProcess;
  /** Path of what it heard in its only call. */
  recording(): Promise<string>;
}

/** For one call, of the number or name `user`: its recordings are named by the second. */
export async function startBaresip(context: TestContext, codecs = 'PCMA,PCMU', user = 'callee'): Promise<Baresip> {
  const folder = await makeFolder(context);
  const port = await freePort();
  await writeFile(join(folder, 'config'), configuration(folder, port));
  await writeFile(
    join(folder, 'accounts'),
    `<sip:${user}@127.0.0.1:${port}>;regint=0;answermode=auto;audio_codecs=${codecs}\n`,
  );
  await writeFile(join(folder, 'contacts'), '');
  const process = await startPeer(context, {
    command: 'baresip',
    args: ['-f', folder, '-v'],
    cwd: folder,
    listens: { protocol: 'udp', port },
  });
  return { port, process, recording: () => findRecording(folder) };
}

/** The audio bridge plays to itself: what is heard is sent back, as an echo. */
function configuration(folder: string, port: number): string {
  return `
sip_listen 127.0.0.1:${port}
net_interface 127.0.0.1
call_max_calls 1
audio_player aubridge,loop
audio_source aubridge,loop
audio_alert aubridge,alert
ausrc_srate 8000
auplay_srate 8000
audio_buffer 20-160
jitter_buffer_delay 5-10
module_path ${MODULES}
module g711.so
module sndfile.so
module aubridge.so
module_tmp account.so
module_app menu.so
snd_path ${folder}
`;
}

async function findRecording(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('-dec.wav'));
  assert.equal(names.length, 1, `recordings: ${names.join(', ')}`);
  return join(folder, names[0] ?? '');
}
