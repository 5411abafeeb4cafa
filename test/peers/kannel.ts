/** Kannel as a customer of the operator: bearerbox binds to it as an ESME, smsbox takes and gives messages over HTTP. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort, makeFolder, type PeerProcess, startPeer } from './peer-process.ts';

const SENDER = '12345';

export interface Kannel {
  readonly bearerbox: PeerProcess;
  /** What became of it is told to the callback address: `/dlr?n=…&type=…&answer=…`, Kannel's %d and %A. */
  send(message: { n: number; to: string; text: string; coding: 'gsm7' | 'ucs2' }): Promise<void>;
}

export interface KannelOptions {
  smscPort: number;
  mode: 'transceiver' | 'transmitter+receiver';
  /** Is told of receipts at `/dlr` and of incoming messages at `/mo?from=…&to=…&coding=…&text=…`, the text in raw bytes. */
  callbackPort: number;
}

/** Kannel's own numbers of alphabets, `coding` of its sendsms. */
const CODING = { gsm7: 0, ucs2: 2 } as const;
/** Everything that can happen: delivered, failed, buffered, taken by the SMSC, refused by the SMSC. */
const EVERY_REPORT = 31;

export async function startKannel(context: TestContext, options: KannelOptions): Promise<Kannel> {
  const folder = await makeFolder(context);
  const ports = { admin: await freePort(), smsbox: await freePort(), sendsms: await freePort() };
  const file = join(folder, 'kannel.conf');
  await writeFile(file, configuration(options, ports));
  const start = (command: string, port: number): Promise<PeerProcess> =>
    startPeer(context, { command, args: [file], cwd: folder, listens: { protocol: 'tcp', port } });
  const bearerbox = await start('bearerbox', ports.smsbox);
  await start('smsbox', ports.sendsms);
  const callback = `http://127.0.0.1:${options.callbackPort}`;
  return {
    bearerbox,
    send: async ({ n, to, text, coding }) => {
      const parameters = new URLSearchParams({
        username: 'tester',
        password: 'secret',
        from: SENDER,
        to,
        text,
        charset: 'UTF-8',
        coding: String(CODING[coding]),
        'dlr-mask': String(EVERY_REPORT),
        'dlr-url': `${callback}/dlr?n=${n}&type=%d&answer=%A`,
      });
      const response = await fetch(`http://127.0.0.1:${ports.sendsms}/cgi-bin/sendsms?${parameters.toString()}`);
      assert.equal(response.status, 202, await response.text());
    },
  };
}

function configuration(
  { smscPort, mode, callbackPort }: KannelOptions,
  ports: { admin: number; smsbox: number; sendsms: number },
): string {
  // A bind for each direction is a group of its own.
  const binds =
    mode === 'transceiver'
      ? [`port = ${smscPort}\ntransceiver-mode = true`]
      : [`port = ${smscPort}`, `receive-port = ${smscPort}`];
  return `
group = core
admin-port = ${ports.admin}
admin-interface = 127.0.0.1
admin-password = secret
smsbox-port = ${ports.smsbox}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
dlr-storage = internal

${binds.map(smscGroup).join('')}
group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = ${ports.sendsms}
sendsms-interface = 127.0.0.1
global-sender = ${SENDER}

group = sendsms-user
username = tester
password = secret
concatenation = true
max-messages = 10

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "http://127.0.0.1:${callbackPort}/mo?from=%p&to=%P&coding=%c&text=%b"
`;
}

function smscGroup(bind: string): string {
  return `
group = smsc
smsc = smpp
smsc-id = feige
host = 127.0.0.1
${bind}
smsc-username = feige
smsc-password = simulate
system-type = VMA
enquire-link-interval = 1
source-addr-ton = 0
source-addr-npi = 1
dest-addr-ton = 1
dest-addr-npi = 1
`;
}
