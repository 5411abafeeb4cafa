/** Links over TLS to an operator who is not ours on either layer: stunnel ends TLS, Net::SMPP speaks SMPP behind it. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ConnectTarget, connectSession } from '../../src/smpp/session.ts';
import { listLinkSlots } from '../../src/store/operators.ts';
import { eventually, type SmsNode, startSmsNode } from '../harness/sms-node.ts';
import { type Authority, makeAuthority } from './certificates.ts';
import { startCommandLine } from './command-line.ts';
import { NET_SMPP_ACCOUNT, type NetSmpp, startNetSmpp } from './net-smpp.ts';
import { makeFolder } from './peer-process.ts';
import { type Stunnel, type StunnelOptions, startStunnel } from './stunnel.ts';

const HOST_NAME = 'smsc.operator.example';
const OTHER_NAME = 'other.example';
/** Of the operator behind an address translation: not the one that is connected to (RFC 5737). */
const ADDRESS = '192.0.2.9';
const OTHER_ADDRESS = '192.0.2.10';
const LONG_UCS2 = '長簡訊會分成幾則，收到的手機再接起來。'.repeat(8);
/** What stunnel needs beside the versions to speak those that OpenSSL has put away. */
const OLD_CIPHERS = 'ciphers = ALL:@SECLEVEL=0';

for (const [version, bindMode, tlsServername] of [
  ['TLSv1.3', 'transceiver', HOST_NAME],
  ['TLSv1.2', 'transmitter+receiver', ADDRESS],
] as const) {
  test(`the platform binds as ${bindMode} over ${version} to ${tlsServername}, submits, and settles its receipts`, async (t) => {
    const authority = await makeAuthority();
    const certificate = await authority.issue({ names: [HOST_NAME], addresses: [ADDRESS] });
    const settings = [`sslVersion = ${version}`];
    const { smsc, stunnel, node } = await startNode(t, { certificate, settings }, authority, {
      bindMode,
      tlsServername,
    });
    const sent: [string, string, string][] = [
      ['0911000001', 'over TLS', 'DELIVRD'],
      ['0911000005', LONG_UCS2, 'DELIVRD'],
      ['0911000003', 'undeliverable', 'UNDELIV'],
      ['0911000008', 'refused', 'MOBERROR'],
    ];
    const msgids: number[] = [];
    for (const [mobile, text] of sent) msgids.push(await node.sendAccepted(mobile, text));
    for (const [index, [mobile, , state]] of sent.entries()) {
      assert.equal(await node.finalState(msgids[index] ?? 0, mobile), state, smsc.story());
    }
    const sessions = bindMode === 'transceiver' ? 1 : 2;
    await eventually(`${sessions} handshakes of ${version} in\n${stunnel.output()}`, async () =>
      stunnel.output().split(`${version} ciphersuite`).length > sessions ? true : undefined,
    );
    assert.equal(smsc.story(), '');
  });
}

test('a link stays down before an expired certificate and tells why; before a renewed one it binds, and what waited goes out once', async (t) => {
  const authority = await makeAuthority();
  const names = [HOST_NAME];
  const { smsc, stunnel, node } = await startNode(t, { certificate: await authority.issue({ names }) }, authority, {
    tlsServername: HOST_NAME,
  });
  const before = await node.sendAccepted('0911000001', 'before');
  assert.equal(await node.finalState(before, '0911000001'), 'DELIVRD', smsc.story());

  await stunnel.stop();
  await stunnel.start(await authority.issue({ names, days: [-10, -1] }));
  await eventually('the reason', async () =>
    (await listLinkSlots(node.database)).some(({ bound, detail }) => !bound && detail === 'certificate has expired')
      ? true
      : undefined,
  );
  const waiting = await node.sendAccepted('0911000002', 'waiting');

  await stunnel.stop();
  await stunnel.start(await authority.issue({ names }));
  assert.equal(await node.finalState(waiting, '0911000002'), 'DELIVRD', smsc.story());
  assert.deepEqual(
    smsc.submits().map(({ to }) => to),
    ['886911000001', '886911000002'],
  );
});

test('a terminator of several names is asked for the operator’s host, without it being set as the certificate’s', async (t) => {
  const authority = await makeAuthority();
  const certificate = await authority.issue({ names: [OTHER_NAME] });
  const named = { name: 'localhost', certificate: await authority.issue({ names: ['localhost'] }) };
  const { smsc, node } = await startNode(t, { certificate, named }, authority, { host: 'localhost' });
  const msgid = await node.sendAccepted('0911000001', 'by name');
  assert.equal(await node.finalState(msgid, '0911000001'), 'DELIVRD', smsc.story());
});

test('every reason not to bind is told in a line: whose certificate it is, its time, its issuer, the version, a certificate of ours', async (t) => {
  const authority = await makeAuthority();
  /** Of the same name, as an authority that changed its key. */
  const stranger = await makeAuthority();
  const valid = await authority.issue({ names: [HOST_NAME], addresses: [ADDRESS] });
  const trust = { ca: authority.root, servername: HOST_NAME };
  const trusted = join(await makeFolder(t), 'trusted.pem');
  await writeFile(trusted, authority.root);
  const cases: [reason: RegExp, Partial<StunnelOptions>, ConnectTarget['tls']][] = [
    [
      /other\.example\. is not in the cert's altnames: DNS:smsc\.operator\.example/,
      {},
      { ...trust, servername: OTHER_NAME },
    ],
    [/IP: 192\.0\.2\.10 is not in the cert's list: 192\.0\.2\.9$/, {}, { ...trust, servername: OTHER_ADDRESS }],
    [/IP: 127\.0\.0\.1 is not in the cert's list: 192\.0\.2\.9$/, {}, { ca: authority.root }],
    [/^the certificate is not trusted: /, {}, { servername: HOST_NAME }],
    [/^the certificate is not trusted: /, {}, { ...trust, ca: stranger.root }],
    [
      /^certificate has expired$/,
      { certificate: await authority.issue({ names: [HOST_NAME], days: [-10, -1] }) },
      trust,
    ],
    [
      /^certificate is not yet valid$/,
      { certificate: await authority.issue({ names: [HOST_NAME], days: [1, 10] }) },
      trust,
    ],
    [
      /^TLS: .*protocol version$/,
      { settings: ['sslVersionMin = TLSv1', 'sslVersionMax = TLSv1.1', OLD_CIPHERS] },
      trust,
    ],
    // With TLS 1.3 the connection may be reset under our bind before the alert that says it is read.
    [
      /^TLS: .*handshake failure$/,
      { settings: ['sslVersionMax = TLSv1.2', 'verifyChain = yes', `CAfile = ${trusted}`] },
      trust,
    ],
  ];
  const smsc = await startNetSmpp(t);
  for (const [reason, options, tls] of cases) {
    const stunnel = await startStunnel(t, { smscPort: smsc.port, certificate: valid, ...options });
    const result = await bind(stunnel, tls);
    assert.ok(result.kind === 'failed', `${String(reason)}: ${result.kind}`);
    assert.match(result.reason, reason);
    assert.doesNotMatch(result.reason, /\n/);
    await stunnel.stop();
  }
});

test('operator add and operator test take an operator’s own authority, and name the host that the certificate is not for', async (t) => {
  const { feige } = await startCommandLine(t);
  const authority = await makeAuthority();
  const smsc = await startNetSmpp(t);
  const certificate = await authority.issue({ names: [HOST_NAME] });
  const stunnel = await startStunnel(t, { smscPort: smsc.port, certificate });
  const file = join(await makeFolder(t), 'root.pem');
  await writeFile(file, authority.root);
  const words = ['operator', 'add', 'alpha', '--host', '127.0.0.1', '--port', String(stunnel.port), '--tls', 'on'];
  words.push('--tls-ca', file, '--tls-servername', HOST_NAME, '--system-id', NET_SMPP_ACCOUNT.systemId);
  const added = await feige([...words, '--password-stdin'], `${NET_SMPP_ACCOUNT.password}\n`);
  assert.equal(added.code, 0, added.stderr);
  const tested = await feige(['operator', 'test', 'alpha']);
  assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  assert.match(tested.stdout, /over TLS\n {2}bind_transceiver: bound in .* to system_id "net-smpp"/);
  await feige(['operator', 'set', 'alpha', '--tls-servername', OTHER_NAME]);
  const refused = await feige(['operator', 'test', 'alpha']);
  assert.equal(refused.code, 1, refused.stdout);
  assert.match(refused.stdout, /failed after .* other\.example\. is not in the cert's altnames/);
});

async function startNode(
  context: TestContext,
  options: Omit<StunnelOptions, 'smscPort'>,
  authority: Authority,
  operatorSettings: Record<string, unknown>,
): Promise<{ smsc: NetSmpp; stunnel: Stunnel; node: SmsNode }> {
  const smsc = await startNetSmpp(context);
  const stunnel = await startStunnel(context, { smscPort: smsc.port, ...options });
  const node = await startSmsNode({
    operatorSettings: {
      ...NET_SMPP_ACCOUNT,
      port: stunnel.port,
      tls: true,
      tlsCa: authority.root,
      enquireLinkMs: 200,
      responseTimeoutMs: 5_000,
      ...operatorSettings,
    },
  });
  context.after(() => node.stop());
  return { smsc, stunnel, node };
}

async function bind({ port }: Stunnel, tls: ConnectTarget['tls']): ReturnType<typeof connectSession> {
  const result = await connectSession({
    host: '127.0.0.1',
    port,
    ...(tls === undefined ? {} : { tls }),
    bind: { mode: 'transceiver', ...NET_SMPP_ACCOUNT },
    options: { window: 1, responseTimeoutMs: 5_000, enquireLinkMs: 0 },
    handlers: { onDeliver: () => {}, onClose: () => {} },
  });
  if (result.kind === 'bound') await result.session.close('nobody was refused');
  return result;
}
