/** What the client session promises, against an SMSC that does as the test says. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { encodePdu, STATUS } from '../../../src/smpp/pdu.ts';
import { connectSession, type SubmitResult } from '../../../src/smpp/session.ts';
import { sampleMessage } from '../../unit/smpp/sample-message.ts';
import { boundToRaw, QUIET_OPTIONS, submit, target } from './esme.ts';
import { RawSmsc } from './raw-peer.ts';

test('a submitted message is answered with the operator’s id', async (t) => {
  const { session, smsc } = await boundToRaw(t);
  assert.equal(session.state, 'bound');
  const result = submit(session);
  const pdu = await smsc.next('submit_sm');
  assert.ok(pdu.command === 'submit_sm');
  assert.deepEqual(pdu.message, sampleMessage());
  smsc.send({ command: 'submit_sm_resp', sequence: pdu.sequence, status: 0, messageId: 'abc' });
  assert.deepEqual(await result, { kind: 'response', status: 0, messageId: 'abc', sequence: pdu.sequence });
});

test('all submits of one turn arrive, in order, and each response finds its own', async (t) => {
  const { session, smsc } = await boundToRaw(t, { window: 2000 });
  const results = Array.from({ length: 2000 }, () => submit(session));
  const sequences: number[] = [];
  smsc.onPdu = (pdu) => {
    sequences.push(pdu.sequence);
    if (sequences.length < 2000) return;
    const answers = [...sequences].reverse();
    smsc.send(
      ...answers.map((sequence) => ({
        command: 'submit_sm_resp' as const,
        sequence,
        status: 0,
        messageId: `m${sequence}`,
      })),
    );
  };
  for (const [index, result] of (await Promise.all(results)).entries()) {
    assert.ok(result.kind === 'response');
    assert.equal(result.sequence, sequences[index]);
    assert.equal(result.messageId, `m${result.sequence}`);
  }
});

test('past the window a message is not sent, and a response frees its place', async (t) => {
  const { session, smsc } = await boundToRaw(t, { window: 3 });
  const results = [submit(session), submit(session), submit(session)];
  assert.equal(session.freeWindow(), 0);
  assert.deepEqual(await submit(session), { kind: 'not-sent', reason: 'window-full' });
  const first = await smsc.next('submit_sm');
  smsc.send({ command: 'submit_sm_resp', sequence: first.sequence, status: STATUS.ESME_RTHROTTLED, messageId: '' });
  const result = await results[0];
  assert.ok(result?.kind === 'response');
  assert.equal(result.status, STATUS.ESME_RTHROTTLED);
  assert.equal(session.freeWindow(), 1);
});

test('what may not be sent any more when its turn to be written comes is not sent, and the session is cut', async (t) => {
  let mayWrite = true;
  const { session, smsc, seen } = await boundToRaw(t, { mayWrite: () => mayWrite });
  const received: string[] = [];
  smsc.onPdu = (pdu) => received.push(pdu.command);
  const result = submit(session);
  mayWrite = false;
  assert.deepEqual(await result, { kind: 'not-sent', reason: 'closed' });
  await seen.closed;
  await smsc.closed;
  assert.deepEqual(received, []);
});

test('a generic_nack answers a submit and is never success', async (t) => {
  const { session, smsc } = await boundToRaw(t);
  const result = submit(session);
  const { sequence } = await smsc.next('submit_sm');
  smsc.send({ command: 'generic_nack', sequence, status: 0 });
  assert.deepEqual(await result, { kind: 'response', status: STATUS.ESME_RUNKNOWNERR, messageId: '', sequence });
});

test('a response of another command does not answer a submit', async (t) => {
  const { session, smsc } = await boundToRaw(t);
  const result = submit(session);
  const { sequence } = await smsc.next('submit_sm');
  smsc.send(
    { command: 'enquire_link_resp', sequence, status: 0 },
    { command: 'submit_sm_resp', sequence, status: 0, messageId: 'real' },
  );
  assert.deepEqual(await result, { kind: 'response', status: 0, messageId: 'real', sequence });
});

test('an unanswered submit becomes unknown, frees its place, and its late response is reported once', async (t) => {
  const late = Promise.withResolvers<unknown[]>();
  const { session, smsc } = await boundToRaw(
    t,
    { window: 1, responseTimeoutMs: 60 },
    { onLateResponse: (...seen) => late.resolve(seen) },
  );
  const result = await submit(session);
  const { sequence } = await smsc.next('submit_sm');
  assert.deepEqual(result, { kind: 'unknown', sequence, reason: 'timeout' });
  assert.equal(session.freeWindow(), 1);
  const response = { command: 'submit_sm_resp', sequence, status: 0, messageId: 'late' } as const;
  smsc.send(response, response);
  assert.deepEqual(await late.promise, [sequence, 0, 'late']);
  assert.equal(session.state, 'bound');
});

test('missing responses do not close a link that answers enquire_link', async (t) => {
  const { session, smsc, seen } = await boundToRaw(t, { window: 5, responseTimeoutMs: 40, enquireLinkMs: 40 });
  let enquiries = 0;
  smsc.onPdu = (pdu) => {
    if (pdu.command !== 'enquire_link') return;
    enquiries += 1;
    smsc.send({ command: 'enquire_link_resp', sequence: pdu.sequence, status: 0 });
  };
  for (let turn = 0; turn < 6; turn += 1) assert.equal((await submit(session)).kind, 'unknown');
  assert.ok(enquiries >= 2);
  assert.deepEqual([session.state, seen.closeReasons], ['bound', []]);
});

test('a link that answers nothing is closed, and what was pending is unknown', async (t) => {
  const { session, seen } = await boundToRaw(t, { responseTimeoutMs: 40, enquireLinkMs: 40 });
  assert.equal(await seen.closed, 'enquire_link unanswered');
  assert.equal(session.state, 'closed');
  assert.deepEqual(await submit(session), { kind: 'not-sent', reason: 'closed' });
});

test('20,000 pending submits each become unknown exactly once when the link drops', async (t) => {
  const { session, smsc, seen } = await boundToRaw(t, { window: 20_000 });
  const results: SubmitResult[] = [];
  for (let sent = 0; sent < 20_000; sent += 1) session.submit(sampleMessage(), (result) => results.push(result));
  assert.equal(session.freeWindow(), 0);
  let received = 0;
  smsc.onPdu = () => {
    received += 1;
    if (received === 20_000) smsc.socket.resetAndDestroy();
  };
  await seen.closed;
  assert.equal(results.length, 20_000);
  assert.ok(results.every((result) => result.kind === 'unknown' && result.reason === 'closed'));
  assert.equal(new Set(results.map((result) => result.kind === 'unknown' && result.sequence)).size, 20_000);
  assert.equal(seen.closeReasons.length, 1);
});

test('what was not handed to the socket when the session is destroyed is certainly not sent', async (t) => {
  const { session, smsc } = await boundToRaw(t);
  const sent = submit(session);
  await smsc.next('submit_sm');
  const unsent = submit(session);
  session.destroy('test');
  assert.equal((await sent).kind, 'unknown');
  assert.deepEqual(await unsent, { kind: 'not-sent', reason: 'closed' });
  smsc.onPdu = () => assert.fail('nothing more may arrive');
  await smsc.closed;
});

test('a connection cut in the middle of a PDU delivers nothing of it', async (t) => {
  const { session, smsc, seen } = await boundToRaw(t);
  const result = submit(session);
  await smsc.next('submit_sm');
  const delivery = encodePdu({ command: 'deliver_sm', sequence: 9, status: 0, message: sampleMessage() });
  smsc.socket.end(delivery.subarray(0, delivery.length - 1));
  assert.equal(await seen.closed, 'closed by peer');
  assert.deepEqual(seen.delivered, []);
  assert.equal((await result).kind, 'unknown');
});

test('a delivery that arrives byte by byte is delivered and answered', async (t) => {
  const { smsc, seen } = await boundToRaw(t);
  const message = sampleMessage({ tlvs: { receiptedMessageId: 'x', messageState: 2 } });
  for (const byte of encodePdu({ command: 'deliver_sm', sequence: 9, status: 0, message })) {
    if (!smsc.socket.write(Buffer.of(byte))) await once(smsc.socket, 'drain');
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(await smsc.next('deliver_sm_resp'), {
    command: 'deliver_sm_resp',
    sequence: 9,
    status: 0,
    messageId: '',
  });
  assert.deepEqual(seen.delivered[0]?.pdu.message, message);
});

test('a data_sm is delivered and answered with data_sm_resp', async (t) => {
  const { smsc, seen } = await boundToRaw(t);
  smsc.send({ command: 'data_sm', sequence: 4, status: 0, message: sampleMessage() });
  assert.equal((await smsc.next('data_sm_resp')).sequence, 4);
  assert.equal(seen.delivered[0]?.pdu.command, 'data_sm');
});

test('a query is answered with the state', async (t) => {
  const { session, smsc } = await boundToRaw(t);
  const result = new Promise((resolve) => session.query('abc', { ton: 5, npi: 0, digits: 'FEIGE' }, resolve));
  const { sequence } = await smsc.next('query_sm');
  const answer = { sequence, status: 0, messageId: 'abc', finalDate: '', messageState: 2, errorCode: 0 };
  smsc.send({ command: 'query_sm_resp', ...answer });
  assert.deepEqual(await result, { kind: 'response', ...answer });
});

test('a refused bind gives its status, and no session', async (t) => {
  const server = new RawSmsc();
  t.after(() => server.close());
  const esme = target(await server.listen());
  const result = connectSession(esme.target);
  const peer = await server.acceptUnbound();
  const { sequence } = await peer.next('bind_transceiver');
  const status = STATUS.ESME_RINVPASWD;
  peer.send({ command: 'bind_transceiver_resp', sequence, status, systemId: '', tlvs: {} });
  assert.deepEqual(await result, { kind: 'refused', status });
  await peer.closed;
  assert.deepEqual(esme.seen.closeReasons, []);
});

test('an SMSC that does not answer the bind fails the attempt in time', async (t) => {
  const server = new RawSmsc();
  t.after(() => server.close());
  const esme = target(await server.listen(), { options: { ...QUIET_OPTIONS, bindTimeoutMs: 50 } });
  assert.deepEqual(await connectSession(esme.target), { kind: 'failed', reason: 'bind timed out' });
});

test('an attempt can be given up', async (t) => {
  const server = new RawSmsc();
  t.after(() => server.close());
  const controller = new AbortController();
  const esme = target(await server.listen(), { signal: controller.signal });
  const result = connectSession(esme.target);
  await server.acceptUnbound();
  controller.abort();
  assert.deepEqual(await result, { kind: 'failed', reason: 'given up' });
});

test('a port where nobody listens fails the attempt', async () => {
  const server = new RawSmsc();
  const port = await server.listen();
  await server.close();
  const result = await connectSession(target(port).target);
  assert.ok(result.kind === 'failed');
  assert.match(result.reason, /ECONNREFUSED/);
});

test('a graceful close waits for what is in flight, unbinds, and takes nothing new', async (t) => {
  const { session, smsc, seen } = await boundToRaw(t);
  const inFlight = submit(session);
  const { sequence } = await smsc.next('submit_sm');
  const closed = session.close('maintenance');
  assert.equal(session.state, 'closing');
  assert.deepEqual(await submit(session), { kind: 'not-sent', reason: 'closed' });
  smsc.send({ command: 'deliver_sm', sequence: 8, status: 0, message: sampleMessage() });
  assert.equal((await smsc.next('deliver_sm_resp')).status, STATUS.ESME_RX_T_APPN);
  smsc.send({ command: 'submit_sm_resp', sequence, status: 0, messageId: 'last' });
  assert.equal((await inFlight).kind, 'response');
  const unbind = await smsc.next('unbind');
  smsc.send({ command: 'unbind_resp', sequence: unbind.sequence, status: 0 });
  await closed;
  assert.deepEqual([session.state, seen.closeReasons], ['closed', ['maintenance']]);
});

test('a graceful close does not wait for a response longer than its time-out', async (t) => {
  const { session } = await boundToRaw(t, { responseTimeoutMs: 50 });
  const inFlight = submit(session);
  const closed = session.close('maintenance');
  assert.equal((await inFlight).kind, 'unknown');
  await closed;
});

test('an unbind of the peer is answered and closes the session', async (t) => {
  const { smsc, seen } = await boundToRaw(t);
  smsc.send({ command: 'unbind', sequence: 77, status: 0 });
  assert.equal((await smsc.next('unbind_resp')).sequence, 77);
  assert.equal(await seen.closed, 'unbound by peer');
});
