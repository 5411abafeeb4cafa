/** The operations that the platform seldom writes, and the answers to what is wrong, are SMPP to a decoder that is not ours. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { COMMAND, encodePdu, STATUS } from '../../src/smpp/pdu.ts';
import type { QueryResult, SubmitResult } from '../../src/smpp/requests.ts';
import { type ServerSession, SmppServer } from '../../src/smpp/server.ts';
import { type BindMode, connectSession, type Session } from '../../src/smpp/session.ts';
import { submitSm } from '../wire/simulator/fake-platform.ts';
import { type RecordedLine, startRecordedLine } from './recorded-line.ts';
import { type ReadLine, readWhole } from './smpp-reading.ts';
import { fieldOf } from './tshark.ts';

const OPTIONS = { window: 10, responseTimeoutMs: 5_000, enquireLinkMs: 0 };
const MESSAGE_ID = '4711-a';
const DELIVERED = 2;
const FINAL_DATE = '260302043000032+';
const SOURCE = { ton: 0, npi: 1, digits: '12345' };
/** Of no command that SMPP 3.4 has. */
const UNKNOWN_COMMAND = Buffer.from('00000010000000770000000000000063', 'hex');
const OUTBIND = { command: 'outbind', systemId: 'smsc', password: 'secret' } as const;
const WRONG_PASSWORD = 'wrong';

interface Operator {
  line: RecordedLine;
  sessions: ServerSession[];
  stop(): Promise<void>;
}

async function startOperator(context: TestContext): Promise<Operator> {
  const sessions: ServerSession[] = [];
  const server = new SmppServer({
    handlers: {
      onBind: ({ password }) => (password === WRONG_PASSWORD ? STATUS.ESME_RINVPASWD : STATUS.ESME_ROK),
      onSession: (session) => {
        sessions.push(session);
        return {
          onSubmit: (_message, _sequence, respond) => respond(STATUS.ESME_ROK, MESSAGE_ID),
          onQuery: (messageId, _source, respond) =>
            respond(
              messageId === MESSAGE_ID
                ? { status: STATUS.ESME_ROK, finalDate: FINAL_DATE, messageState: DELIVERED }
                : { status: STATUS.ESME_RQUERYFAIL },
            ),
          onClose: () => {},
        };
      },
    },
    options: OPTIONS,
  });
  context.after(() => server.close());
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return { line: await startRecordedLine(context, port), sessions, stop: () => server.close() };
}

async function bind(operator: Operator, mode: BindMode): Promise<Session> {
  const result = await connectSession({
    host: '127.0.0.1',
    port: operator.line.port,
    bind: { mode, systemId: 'feige', password: 'secret', systemType: 'VMA', addressRange: '^886' },
    options: OPTIONS,
    handlers: { onDeliver: (_pdu, respond) => respond(STATUS.ESME_ROK), onClose: () => {} },
  });
  assert.ok(result.kind === 'bound', JSON.stringify(result));
  return result.session;
}

function done<Result>(act: (resolve: (result: Result) => void) => void): Promise<Result> {
  return new Promise(act);
}

test('tshark reads query_sm, data_sm, message_payload and every TLV that is written', async (t) => {
  const operator = await startOperator(t);
  const session = await bind(operator, 'transceiver');
  const [receiver] = operator.sessions;
  assert.ok(receiver);
  for (const id of [MESSAGE_ID, 'unknown']) {
    await done<QueryResult>((resolve) => session.query(id, SOURCE, resolve));
  }
  const payload = Buffer.from('payload '.repeat(400));
  const long = submitSm({
    to: '886911222333',
    serviceType: 'VMA',
    scheduleDeliveryTime: '260302043000032+',
    validityPeriod: '000001000000000R',
    shortMessage: payload,
    tlvs: { userMessageReference: 0xffff },
  });
  await done<SubmitResult>((resolve) => session.submit(long, resolve));
  const tlvs = {
    receiptedMessageId: MESSAGE_ID,
    messageState: DELIVERED,
    userMessageReference: 1,
    networkErrorCode: Buffer.of(3, 0, 42),
  };
  const receipt = submitSm({ to: '12345', esmClass: 0x04, registeredDelivery: 0, shortMessage: Buffer.alloc(0), tlvs });
  await done<SubmitResult>((resolve) => receiver.deliver(receipt, resolve));
  const incoming = submitSm({ to: '12345', shortMessage: Buffer.from('by data_sm') });
  await done<SubmitResult>((resolve) => receiver.dataSm(incoming, resolve));
  await session.close('the test is over');
  await operator.line.silent();

  const read = await readWhole(t, operator.line);
  const [found, unknown] = read.of(COMMAND.query_sm_resp);
  assert.deepEqual(
    ['message_id', 'final_date', 'message_state'].map((name) => fieldOf(found?.fields ?? {}, `smpp.${name}`)),
    [MESSAGE_ID, 'Mar  1, 2026 20:30:00.000000000 UTC', String(DELIVERED)],
  );
  assert.equal(unknown?.status, STATUS.ESME_RQUERYFAIL);
  const [submit] = read.of(COMMAND.submit_sm);
  assert.equal(octets(fieldOf(submit?.fields ?? {}, 'smpp.message_payload')), payload.toString());
  assert.equal(fieldOf(submit?.fields ?? {}, 'smpp.validity_period_r'), '86400.000000000');
  const [delivery] = read.of(COMMAND.deliver_sm);
  assert.equal(fieldOf(delivery?.fields ?? {}, 'smpp.receipted_message_id'), MESSAGE_ID);
  assert.equal(fieldOf(delivery?.fields ?? {}, 'smpp.network_error.code'), '0x002a');
  const [data] = read.of(COMMAND.data_sm);
  assert.equal(octets(fieldOf(data?.fields ?? {}, 'smpp.message_payload')), 'by data_sm');
  assert.equal(read.of(COMMAND.data_sm_resp).length, 1);
});

test('tshark reads how a bind and an outbind are refused', async (t) => {
  const operator = await startOperator(t);
  const refused = await connectSession({
    host: '127.0.0.1',
    port: operator.line.port,
    bind: { mode: 'transceiver', systemId: 'feige', password: WRONG_PASSWORD },
    options: OPTIONS,
    handlers: { onDeliver: () => {}, onClose: () => {} },
  });
  assert.deepEqual(refused, { kind: 'refused', status: STATUS.ESME_RINVPASWD });
  await bind(operator, 'receiver');
  // Nobody outbinds on a bound session (§4.1.7), and it has no response of its own.
  operator.sessions[0]?.sendRaw(encodePdu({ ...OUTBIND, sequence: 99, status: 0 }));
  await operator.stop();
  await operator.line.silent();

  const read = await readWhole(t, operator.line);
  const binds = read.of(COMMAND.bind_transceiver_resp).map(({ status }) => status);
  assert.deepEqual(binds, [STATUS.ESME_RINVPASWD]);
  assert.deepEqual(nacks(read), [`client ${STATUS.ESME_RINVCMDID} 99`]);
});

test('tshark reads what a stranger is answered, who binds to nothing and loses the framing', async (t) => {
  const operator = await startOperator(t);
  const stranger = connect({ host: '127.0.0.1', port: operator.line.port });
  stranger.resume();
  t.after(() => stranger.destroy());
  stranger.write(
    encodePdu({ command: 'submit_sm', sequence: 1, status: 0, message: submitSm({ to: '886911222333' }) }),
  );
  stranger.write(UNKNOWN_COMMAND);
  // No PDU is so short: the framing is lost, and the connection with it.
  stranger.write(Buffer.from('0000000f', 'hex'));
  await once(stranger, 'end');
  stranger.end();
  await operator.stop();
  await operator.line.silent();

  const read = await readWhole(t, operator.line, 'server');
  assert.deepEqual(
    nacks(read),
    [`server ${STATUS.ESME_RINVCMDLEN} 0`, `server ${STATUS.ESME_RINVBNDSTS} 99`].toSorted(),
  );
  assert.deepEqual(
    read.of(COMMAND.submit_sm_resp).map(({ status }) => status),
    [STATUS.ESME_RINVBNDSTS],
  );
});

function nacks(read: ReadLine): string[] {
  return read
    .of(COMMAND.generic_nack)
    .map(({ side, status, sequence }) => `${side} ${status} ${sequence}`)
    .toSorted();
}

function octets(value: string | undefined): string {
  return Buffer.from((value ?? '').replaceAll(':', ''), 'hex').toString();
}
