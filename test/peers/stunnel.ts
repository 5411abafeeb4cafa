/** stunnel in front of an SMSC that speaks no TLS itself, as operators set it up; what it decrypts goes on to `smscPort`. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Certificate } from './certificates.ts';
import { freePort, makeFolder, type PeerProcess, startPeer } from './peer-process.ts';

export interface StunnelOptions {
  smscPort: number;
  certificate: Certificate;
  /** Lines of its configuration, as stunnel(8) has them. */
  settings?: readonly string[];
  /** What is shown to whoever asks for this name in the handshake (SNI), instead of the certificate above. */
  named?: { name: string; certificate: Certificate };
}

export interface Stunnel {
  readonly port: number;
  /** What was written by the one that runs, or that ran last. */
  output(): string;
  /** Its connections end with it. */
  stop(): Promise<void>;
  /** On the same port. */
  start(certificate: Certificate): Promise<void>;
}

export async function startStunnel(context: TestContext, options: StunnelOptions): Promise<Stunnel> {
  const folder = await makeFolder(context);
  const port = await freePort();
  let process: PeerProcess;
  const start = async (certificate: Certificate): Promise<void> => {
    await writeCertificate(folder, 'smsc', certificate);
    if (options.named !== undefined) await writeCertificate(folder, 'named', options.named.certificate);
    const file = join(folder, 'stunnel.conf');
    await writeFile(file, configuration(folder, port, options));
    process = await startPeer(context, {
      command: 'stunnel4',
      args: [file],
      cwd: folder,
      listens: { protocol: 'tcp', port },
    });
  };
  await start(options.certificate);
  return { port, output: () => process.output(), stop: () => process.end(), start };
}

async function writeCertificate(folder: string, name: string, { key, chain }: Certificate): Promise<void> {
  await writeFile(join(folder, `${name}-key.pem`), key, { mode: 0o600 });
  await writeFile(join(folder, `${name}-cert.pem`), chain);
}

/** No file for its id, no daemon; the log of level info names the version of every handshake. */
function configuration(folder: string, port: number, { smscPort, settings = [], named }: StunnelOptions): string {
  const shown = (name: string): string =>
    `cert = ${join(folder, `${name}-cert.pem`)}\nkey = ${join(folder, `${name}-key.pem`)}\nconnect = 127.0.0.1:${smscPort}`;
  const virtual = named === undefined ? '' : `\n[named]\nsni = smsc:${named.name}\n${shown('named')}\n`;
  return `
foreground = yes
pid =
syslog = no
debug = info

[smsc]
accept = 127.0.0.1:${port}
${shown('smsc')}
${settings.join('\n')}
${virtual}`;
}
