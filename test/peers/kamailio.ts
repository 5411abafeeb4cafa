/** Kamailio as a trunk: a proxy with 407 and Record-Route over UDP, TCP and TLS in front of one telephone on UDP. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { generate } from 'selfsigned';
import type { TrunkTarget } from '../../src/sip/user-agent.ts';
import { freePort, makeFolder, type PeerProcess, startPeer } from './peer-process.ts';
import { loopbackTrunk } from './sounding-call.ts';

export const HOST_NAME = 'sip.operator.example';
export const PASSWORD = 's3cret';

export interface Kamailio {
  readonly process: PeerProcess;
  readonly ports: Readonly<Record<'udp' | 'tcp' | 'tls', number>>;
  /** What the certificate has to be trusted by, and the name in it. */
  readonly certificateFile: string;
  trunk(transport: 'udp' | 'tcp' | 'tls', password?: string): TrunkTarget;
}

export async function startKamailio(
  context: TestContext,
  options: { calleePort: number; algorithm?: 'MD5' | 'SHA-256' },
): Promise<Kamailio> {
  const { calleePort, algorithm = 'MD5' } = options;
  const folder = await makeFolder(context);
  const certificate = await generate([{ name: 'commonName', value: HOST_NAME }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: HOST_NAME }] }],
  });
  const ports = { udp: await freePort(), tcp: await freePort(), tls: await freePort() };
  const filled: Record<string, string | number> = {
    UDP_PORT: ports.udp,
    TCP_PORT: ports.tcp,
    TLS_PORT: ports.tls,
    CALLEE_PORT: calleePort,
    FOLDER: folder,
    PASSWORD,
    ALGORITHM: algorithm,
  };
  const template = await readFile(new URL('./kamailio.cfg', import.meta.url), 'utf8');
  const configuration = template.replace(/%([A-Z_]+)%/g, (_, name: string) => String(filled[name]));
  await writeFile(join(folder, 'kamailio.cfg'), configuration);
  await writeFile(join(folder, 'key.pem'), certificate.private);
  await writeFile(join(folder, 'cert.pem'), certificate.cert);
  const process = await startPeer(context, {
    command: 'kamailio',
    args: ['-DD', '-E', '-m', '32', '-M', '8', '-f', join(folder, 'kamailio.cfg'), '-w', folder, '-Y', folder],
    cwd: folder,
    listens: { protocol: 'tcp', port: ports.tls },
  });
  return {
    process,
    ports,
    certificateFile: join(folder, 'cert.pem'),
    trunk: (transport, password = PASSWORD) =>
      loopbackTrunk(ports[transport], {
        transport,
        username: 'feige',
        password,
        ...(transport === 'tls' ? { tls: { ca: certificate.cert, servername: HOST_NAME } } : {}),
      }),
  };
}
