/** An SMSC that is not ours: Perl's Net::SMPP speaks, `net-smpp-smsc.pl` decides what it does with a message. */
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, makeFolder, startPeer } from './peer-process.ts';

export const NET_SMPP_ACCOUNT = { systemId: 'customer', password: 'secret' };

/** A submit_sm as the library read it. */
export interface ReadSubmit {
  to: string;
  udhi: boolean;
  dataCoding: number;
  bytes: Buffer;
  reference: number;
  /** Reference, total, place; zeros without the TLVs. */
  sar: readonly number[];
}

export interface NetSmpp {
  readonly port: number;
  submits(): ReadSubmit[];
  /** What went wrong in it. */
  story(): string;
}

const ESM_CLASS_UDHI = 0x40;

export async function startNetSmpp(context: TestContext): Promise<NetSmpp> {
  const port = await freePort();
  const { systemId, password } = NET_SMPP_ACCOUNT;
  const program = fileURLToPath(new URL('./net-smpp-smsc.pl', import.meta.url));
  const process = await startPeer(context, {
    command: 'perl',
    args: [program, String(port), systemId, password],
    cwd: await makeFolder(context),
    listens: { protocol: 'tcp', port },
  });
  const lines = (): string[] => process.output().split('\n');
  return {
    port,
    submits: () =>
      lines()
        .filter((line) => line.startsWith('{') && line.endsWith('}'))
        .map((line) => readSubmit(JSON.parse(line) as Record<string, string>)),
    story: () =>
      lines()
        .filter((line) => !line.startsWith('{'))
        .join('\n'),
  };
}

function readSubmit(said: Record<string, string>): ReadSubmit {
  return {
    to: said.destination_addr ?? '',
    udhi: (Number(said.esm_class) & ESM_CLASS_UDHI) !== 0,
    dataCoding: Number(said.data_coding),
    bytes: Buffer.from(said.short_message ?? '', 'hex'),
    reference: Number.parseInt(said.user_message_reference ?? '', 16),
    sar: (said.sar ?? '').split(',').map((hex) => Number.parseInt(hex || '0', 16)),
  };
}
