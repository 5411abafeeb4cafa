/** What the server promises to peers, bound and not. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type Pdu, STATUS } from '../../../src/smpp/pdu.ts';
import {
  type BindRequest,
  type ServerSession,
  type SessionHandlers,
  SmppServer,
  type SmppServerHandlers,
} from '../../../src/smpp/server.ts';
import type { SessionOptions, SubmitResult } from '../../../src/smpp/session.ts';
import { sampleMessage } from '../../unit/smpp/sample-message.ts';
import { QUIET_OPTIONS } from './esme.ts';
import { bindRaw, rawEsme } from './raw-peer.ts';

async function listening(
  context: TestContext,
  changes: {
    server?: Partial<SmppServerHandlers>;
    session?: Partial<SessionHandlers>;
    options?: Partial<SessionOptions>;
  } = {},
): Promise<{ port: number; sessions: ServerSession[]; server: SmppServer; faults: unknown[] }> {
  const sessions: ServerSession[] = [];
  const faults: unknown[] = [];
  const server = new SmppServer({
    options: { ...QUIET_OPTIONS, ...changes.options },
    systemId: 'test-smsc',
    handlers: {
      onBind: () => STATUS.ESME_ROK,
      onSession: (session) => {
        sessions.push(session);
        return {
          onSubmit: (_message, sequence, respond) => respond(STATUS.ESME_ROK, `id-${sequence}`),
          onClose: () => {},
          onFault: (error) => faults.push(error),
          ...changes.session,
        };
      },
      onFault: (error) => faults.push(error),
      ...changes.server,
    },
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  context.after(() => {
    for (const session of sessions) session.destroy('test over');
    return server.close();
  });
  return { port, sessions, server, faults };
}

test('a bind shows its credentials, is answered with the server’s name, and then submits are taken', async (t) => {
  const binds: BindRequest[] = [];
  const { port, sessions } = await listening(t, { server: { onBind: (bind) => binds.push(bind) - 1 } });
  const esme = await rawEsme(port);
  const answer = await bindRaw(esme);
  assert.ok(answer.command === 'bind_transceiver_resp');
  assert.deepEqual([answer.status, answer.systemId], [0, 'test-smsc']);
  assert.deepEqual(binds, [{ mode: 'transceiver', systemId: 'esme', password: 'secret', systemType: 'SMS' }]);
  assert.equal(sessions[0]?.systemId, 'esme');
  esme.send({ command: 'submit_sm', sequence: 5, status: 0, message: sampleMessage() });
  const response = await esme.next('submit_sm_resp');
  assert.deepEqual(response, { command: 'submit_sm_resp', sequence: 5, status: 0, messageId: 'id-5' });
  esme.send({ command: 'data_sm', sequence: 6, status: 0, message: sampleMessage() });
  assert.equal((await esme.next('data_sm_resp')).sequence, 6);
});

test('before a bind everything else is answered with ESME_RINVBNDSTS', async (t) => {
  const { port } = await listening(t);
  const esme = await rawEsme(port);
  const requests: Pdu[] = [
    { command: 'submit_sm', sequence: 1, status: 0, message: sampleMessage() },
    { command: 'enquire_link', sequence: 2, status: 0 },
    { command: 'query_sm', sequence: 3, status: 0, messageId: 'x', source: sampleMessage().source },
    { command: 'unbind', sequence: 4, status: 0 },
  ];
  esme.send(...requests);
  for (const { command, sequence } of requests) {
    const answer = await esme.next(`${command}_resp` as Pdu['command']);
    assert.deepEqual([answer.sequence, answer.status], [sequence, STATUS.ESME_RINVBNDSTS]);
  }
  assert.equal((await bindRaw(esme)).status, STATUS.ESME_ROK);
});

test('a second bind is answered with ESME_RALYBND', async (t) => {
  const { port, sessions } = await listening(t);
  const esme = await rawEsme(port);
  await bindRaw(esme);
  assert.equal((await bindRaw(esme)).status, STATUS.ESME_RALYBND);
  assert.equal(sessions.length, 1);
});

test('a refused bind hears the status and is shown out', async (t) => {
  const { port, sessions } = await listening(t, { server: { onBind: async () => STATUS.ESME_RINVPASWD } });
  const esme = await rawEsme(port);
  assert.equal((await bindRaw(esme)).status, STATUS.ESME_RINVPASWD);
  await esme.closed;
  assert.equal(sessions.length, 0);
});

test('a bind whose judge fails is answered with ESME_RSYSERR', async (t) => {
  const failures = [
    () => Promise.reject(new Error('later')),
    () => {
      throw new Error('now');
    },
  ];
  for (const onBind of failures) {
    const { port, faults } = await listening(t, { server: { onBind } });
    const esme = await rawEsme(port);
    assert.equal((await bindRaw(esme)).status, STATUS.ESME_RSYSERR);
    await esme.closed;
    assert.equal(faults.length, 1);
  }
});

test('a peer that does not bind in time is shown out', async (t) => {
  const { port } = await listening(t, { options: { bindTimeoutMs: 30 } });
  const esme = await rawEsme(port);
  await esme.closed;
});

test('what a new session delivers at once comes after the bind’s answer', async (t) => {
  const results: SubmitResult[] = [];
  const { port } = await listening(t, {
    server: {
      onSession: (session) => {
        session.deliver(sampleMessage(), (result) => results.push(result));
        session.dataSm(sampleMessage(), (result) => results.push(result));
        return { onSubmit: () => {}, onClose: () => {} };
      },
    },
  });
  const esme = await rawEsme(port);
  await bindRaw(esme, 'bind_receiver');
  const delivery = await esme.next('deliver_sm');
  assert.equal((await esme.next('data_sm')).sequence, delivery.sequence + 1);
  esme.send({ command: 'deliver_sm_resp', sequence: delivery.sequence, status: 0, messageId: '' });
  esme.send({ command: 'enquire_link', sequence: 9, status: 0 });
  await esme.next('enquire_link_resp');
  assert.deepEqual(results, [{ kind: 'response', status: 0, messageId: '', sequence: delivery.sequence }]);
  esme.socket.destroy();
});

test('a transmitter is sent nothing, a receiver may submit nothing', async (t) => {
  const { port, sessions } = await listening(t);
  const transmitter = await rawEsme(port);
  await bindRaw(transmitter, 'bind_transmitter');
  const results: SubmitResult[] = [];
  sessions[0]?.deliver(sampleMessage(), (result) => results.push(result));
  assert.deepEqual(results, [{ kind: 'not-sent', reason: 'closed' }]);
  assert.equal(sessions[0]?.freeWindow(), 0);
  const receiver = await rawEsme(port);
  await bindRaw(receiver, 'bind_receiver');
  receiver.send({ command: 'submit_sm', sequence: 3, status: 0, message: sampleMessage() });
  assert.equal((await receiver.next('submit_sm_resp')).status, STATUS.ESME_RINVBNDSTS);
});

test('a query is answered by its handler, and refused where there is none', async (t) => {
  const query = {
    command: 'query_sm',
    sequence: 3,
    status: 0,
    messageId: 'x',
    source: sampleMessage().source,
  } as const;
  const without = await rawEsme((await listening(t)).port);
  await bindRaw(without);
  without.send(query);
  assert.equal((await without.next('query_sm_resp')).status, STATUS.ESME_RINVCMDID);
  const { port } = await listening(t, {
    session: { onQuery: (messageId, _source, respond) => respond({ status: 0, messageState: messageId.length }) },
  });
  const esme = await rawEsme(port);
  await bindRaw(esme);
  esme.send(query);
  assert.deepEqual(await esme.next('query_sm_resp'), {
    command: 'query_sm_resp',
    sequence: 3,
    status: 0,
    messageId: 'x',
    finalDate: '',
    messageState: 1,
    errorCode: 0,
  });
});

test('a handler that throws costs its message an error and nothing else', async (t) => {
  const { port, faults } = await listening(t, {
    session: {
      onSubmit: () => {
        throw new Error('bug');
      },
    },
  });
  const esme = await rawEsme(port);
  await bindRaw(esme);
  esme.send({ command: 'submit_sm', sequence: 3, status: 0, message: sampleMessage() });
  assert.equal((await esme.next('submit_sm_resp')).status, STATUS.ESME_RSYSERR);
  esme.send({ command: 'enquire_link', sequence: 4, status: 0 });
  await esme.next('enquire_link_resp');
  assert.equal(faults.length, 1);
});

test('closing the server unbinds sessions and drops connections that are not bound', async (t) => {
  const { port, server } = await listening(t);
  const bound = await rawEsme(port);
  await bindRaw(bound);
  const unbound = await rawEsme(port);
  unbound.send({ command: 'enquire_link', sequence: 1, status: 0 });
  await unbound.next('enquire_link_resp');
  const closed = server.close();
  const unbind = await bound.next('unbind');
  bound.send({ command: 'unbind_resp', sequence: unbind.sequence, status: 0 });
  await Promise.all([closed, bound.closed, unbound.closed]);
});
