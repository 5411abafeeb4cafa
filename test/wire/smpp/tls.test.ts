/** Sessions over TLS, and peers whose certificate can't be trusted. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer } from 'node:tls';
import { generate } from 'selfsigned';
import { SmppServer } from '../../../src/smpp/server.ts';
import { connectSession } from '../../../src/smpp/session.ts';
import { QUIET_OPTIONS, submit, target } from './esme.ts';
import { rawEsme } from './raw-peer.ts';

/** The address is not the one that is connected to (RFC 5737), as behind an address translation. */
const NAMES = [
  { type: 2 as const, value: 'localhost' },
  { type: 7 as const, ip: '192.0.2.9' },
];

async function tlsServer(context: TestContext): Promise<{ port: number; certificate: string; server: SmppServer }> {
  const pems = await generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [{ name: 'subjectAltName', altNames: NAMES }],
  });
  const server = new SmppServer({
    options: QUIET_OPTIONS,
    handlers: {
      onBind: () => 0,
      onSession: () => ({ onSubmit: (_message, _sequence, respond) => respond(0, 'over-tls'), onClose: () => {} }),
    },
  });
  context.after(() => server.close());
  const tls = { key: pems.private, cert: pems.cert };
  const { port } = await server.listen({ host: '127.0.0.1', port: 0, tls });
  return { port, certificate: pems.cert, server };
}

test('a session over TLS submits and closes gracefully', async (t) => {
  const { port, certificate } = await tlsServer(t);
  const esme = target(port, { tls: { ca: certificate, servername: 'localhost' } });
  const result = await connectSession(esme.target);
  assert.ok(result.kind === 'bound', JSON.stringify(result));
  const submitted = await submit(result.session);
  assert.ok(submitted.kind === 'response');
  assert.equal(submitted.messageId, 'over-tls');
  await result.session.close('done');
  assert.deepEqual(esme.seen.closeReasons, ['done']);
});

test('a certificate that is not trusted, or is another’s, fails the attempt and tells which', async (t) => {
  const { port, certificate } = await tlsServer(t);
  for (const [tls, reason] of [
    [{ servername: 'localhost' }, /^the certificate is not trusted: self-signed certificate$/],
    [{ ca: certificate, servername: 'operator.example' }, /operator\.example.* is not in the cert's altnames/],
  ] as const) {
    const result = await connectSession(target(port, { tls }).target);
    assert.ok(result.kind === 'failed', result.kind);
    assert.match(result.reason, reason);
  }
});

test('an address is a name that a certificate can carry: the right one binds, another fails, neither throws', async (t) => {
  const { port, certificate } = await tlsServer(t);
  const esme = target(port, { tls: { ca: certificate, servername: '192.0.2.9' } });
  const result = await connectSession(esme.target);
  assert.ok(result.kind === 'bound', JSON.stringify(result));
  await result.session.close('done');
  const other = await connectSession(target(port, { tls: { ca: certificate, servername: '192.0.2.10' } }).target);
  assert.ok(other.kind === 'failed', other.kind);
  assert.match(other.reason, /IP: 192\.0\.2\.10 is not in the cert's list/);
});

test('the handshake asks for the name that was set, else for the host, and for no address', async (t) => {
  const pems = await generate([{ name: 'commonName', value: 'localhost' }]);
  const asked: (string | false | null)[] = [];
  const server = createServer({ key: pems.private, cert: pems.cert }, (socket) => {
    asked.push(socket.servername);
    socket.on('error', () => {}).end();
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ca = pems.cert;
  for (const changes of [
    { host: 'localhost', tls: { ca } },
    { tls: { ca, servername: 'localhost' } },
    { tls: { rejectUnauthorized: false } },
  ]) {
    assert.equal((await connectSession(target(port, changes).target)).kind, 'failed');
  }
  assert.deepEqual(asked, ['localhost', 'localhost', false]);
});

test('an operator that speaks no TLS, and a host that no look-up takes, are failed attempts', async (t) => {
  const plain = new SmppServer({
    options: QUIET_OPTIONS,
    handlers: { onBind: () => 0, onSession: () => ({ onSubmit: () => {}, onClose: () => {} }) },
  });
  t.after(() => plain.close());
  const { port } = await plain.listen({ host: '127.0.0.1', port: 0 });
  assert.deepEqual(await connectSession(target(port, { tls: {} }).target), {
    kind: 'failed',
    reason: 'TLS: wrong version number',
  });
  const nowhere = await connectSession(target(port, { host: 'smsc\0example', tls: {} }).target);
  assert.equal(nowhere.kind, 'failed');
});

test('plain bytes to a TLS port close that connection, and one that says nothing does not hold up the server’s close', async (t) => {
  const { port, server } = await tlsServer(t);
  const plain = await rawEsme(port);
  plain.send({ command: 'enquire_link', sequence: 1, status: 0 });
  await plain.closed;
  const silent = await rawEsme(port);
  await server.close();
  await silent.closed;
});
