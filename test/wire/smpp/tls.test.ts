/** Sessions over TLS, and peers whose certificate can't be trusted. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { generate } from 'selfsigned';
import { SmppServer } from '../../../src/smpp/server.ts';
import { connectSession } from '../../../src/smpp/session.ts';
import { QUIET_OPTIONS, submit, target } from './esme.ts';
import { rawEsme } from './raw-peer.ts';

async function tlsServer(context: TestContext): Promise<{ port: number; certificate: string; server: SmppServer }> {
  const pems = await generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
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

test('a certificate that is not trusted, or is another’s, fails the attempt', async (t) => {
  const { port, certificate } = await tlsServer(t);
  for (const tls of [{ servername: 'localhost' }, { ca: certificate, servername: 'operator.example' }]) {
    assert.equal((await connectSession(target(port, { tls }).target)).kind, 'failed');
  }
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
