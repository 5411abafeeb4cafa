/** Whatever bytes a peer sends, an error costs its PDU, broken framing its connection, and nothing costs more. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { COMMAND, encodePdu, type Pdu, STATUS } from '../../../src/smpp/pdu.ts';
import { SmppServer } from '../../../src/smpp/server.ts';
import { sampleMessage } from '../../unit/smpp/sample-message.ts';
import { boundToRaw, QUIET_OPTIONS, submit } from './esme.ts';
import { bindRaw, type RawPeer, rawEsme } from './raw-peer.ts';

const FUZZED_PDUS = 50_000;
const BATCH = 500;
const MAX_GROWTH_BYTES = 4_000_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

async function retainedBytes(): Promise<number> {
  await turn();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A small linear congruential generator: failures repeat. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
}

const receipt = sampleMessage({
  esmClass: 4,
  shortMessage: Buffer.from('id:1 sub:001 dlvrd:001 stat:DELIVRD err:000 text:'),
  tlvs: { receiptedMessageId: 'a1b2', messageState: 2, networkErrorCode: Buffer.of(3, 0, 1) },
});
const seeds: Pdu[] = [
  { command: 'submit_sm', sequence: 1, status: 0, message: sampleMessage() },
  { command: 'deliver_sm', sequence: 2, status: 0, message: receipt },
  { command: 'data_sm', sequence: 3, status: 0, message: receipt },
  { command: 'submit_sm_resp', sequence: 4, status: 0, messageId: 'abcdef' },
  { command: 'query_sm', sequence: 5, status: 0, messageId: 'a', source: receipt.source },
  { command: 'enquire_link', sequence: 6, status: 0 },
  { command: 'generic_nack', sequence: 7, status: 3 },
];
const encodedSeeds = seeds.map(encodePdu);

/** A framed PDU with any number of wrong bytes, cut or lengthened; never an unbind, which rightly ends a session. */
function mutant(random: (below: number) => number): Buffer {
  const seed = encodedSeeds[random(encodedSeeds.length)] ?? Buffer.alloc(16);
  const bytes = Buffer.alloc(random(3) === 0 ? 16 + random(100) : seed.length);
  seed.copy(bytes);
  for (let changes = random(8); changes > 0; changes -= 1) bytes[4 + random(bytes.length - 4)] = random(256);
  bytes.writeUInt32BE(bytes.length, 0);
  if (bytes.readUInt32BE(4) === COMMAND.unbind) bytes.writeUInt32BE(COMMAND.submit_sm, 4);
  return bytes;
}

/** Sends the mutants, and now and then waits for the answer to a healthy enquire_link behind them. */
async function flood(peer: RawPeer, random: (below: number) => number): Promise<void> {
  const probe = 0x7ffffffe;
  let answered = Promise.withResolvers<void>();
  peer.onPdu = (pdu) => {
    if (pdu.command === 'enquire_link_resp' && pdu.sequence === probe) answered.resolve();
  };
  for (let sent = 0; sent < FUZZED_PDUS; sent += BATCH) {
    answered = Promise.withResolvers();
    peer.socket.write(Buffer.concat(Array.from({ length: BATCH }, () => mutant(random))));
    peer.send({ command: 'enquire_link', sequence: probe, status: 0 });
    await Promise.race([answered.promise, peer.closed.then(() => assert.fail('the session did not survive'))]);
  }
}

test('a client session survives 50,000 mutated PDUs and does not grow', async (t) => {
  const { session, smsc, seen } = await boundToRaw(t, {}, { onDeliver: (_pdu, respond) => respond(0) });
  const before = await retainedBytes();
  await flood(smsc, generator(1));
  const grownBytes = (await retainedBytes()) - before;
  assert.ok(grownBytes < MAX_GROWTH_BYTES, `${grownBytes} bytes`);
  smsc.onPdu = (pdu) => {
    if (pdu.command === 'submit_sm') {
      smsc.send({ command: 'submit_sm_resp', sequence: pdu.sequence, status: 0, messageId: 'well' });
    }
  };
  const result = await submit(session);
  assert.ok(result.kind === 'response');
  assert.equal(result.messageId, 'well');
  assert.deepEqual([seen.faults, seen.closeReasons], [[], []]);
});

async function serverPort(context: TestContext): Promise<number> {
  const server = new SmppServer({
    options: QUIET_OPTIONS,
    handlers: {
      onBind: () => STATUS.ESME_ROK,
      onSession: () => ({
        onSubmit: (_message, sequence, respond) => respond(STATUS.ESME_ROK, String(sequence)),
        onQuery: (_messageId, _source, respond) => respond({ status: 0 }),
        onClose: () => {},
      }),
    },
  });
  context.after(() => server.close());
  return (await server.listen({ host: '127.0.0.1', port: 0 })).port;
}

async function submitsStill(esme: RawPeer): Promise<void> {
  esme.onPdu = undefined;
  esme.send({ command: 'submit_sm', sequence: 44, status: 0, message: sampleMessage() });
  assert.deepEqual(await esme.next('submit_sm_resp'), {
    command: 'submit_sm_resp',
    sequence: 44,
    status: 0,
    messageId: '44',
  });
  esme.socket.destroy();
}

test('a server session survives 50,000 mutated PDUs and does not grow', async (t) => {
  const esme = await rawEsme(await serverPort(t));
  await bindRaw(esme);
  const before = await retainedBytes();
  await flood(esme, generator(2));
  const grownBytes = (await retainedBytes()) - before;
  assert.ok(grownBytes < MAX_GROWTH_BYTES, `${grownBytes} bytes`);
  await submitsStill(esme);
});

test('a thousand connections of random bytes leave the server and a bound session well', async (t) => {
  const port = await serverPort(t);
  const healthy = await rawEsme(port);
  await bindRaw(healthy);
  const random = generator(3);
  for (let connection = 0; connection < 1000; connection += 1) {
    const garbage = await rawEsme(port);
    garbage.socket.end(Buffer.from(Array.from({ length: 1 + random(300) }, () => random(256))));
    await garbage.closed;
  }
  await submitsStill(healthy);
});

test('an unknown command and a truncated deliver_sm get their errors, and the session lives on', async (t) => {
  const { session, smsc, seen } = await boundToRaw(t);
  const unknown = encodePdu({ command: 'enquire_link', sequence: 21, status: 0 });
  unknown.writeUInt32BE(0x0000_0999, 4);
  const truncated = encodePdu({ command: 'deliver_sm', sequence: 22, status: 0, message: receipt }).subarray(0, 30);
  truncated.writeUInt32BE(30, 0);
  const notification = encodePdu({ command: 'enquire_link', sequence: 23, status: 0 });
  notification.writeUInt32BE(COMMAND.alert_notification, 4);
  smsc.socket.write(Buffer.concat([unknown, truncated, notification]));
  smsc.send({ command: 'submit_sm', sequence: 24, status: 0, message: receipt });
  const answers = [
    await smsc.next('generic_nack'),
    await smsc.next('deliver_sm_resp'),
    await smsc.next('submit_sm_resp'),
  ];
  assert.deepEqual(
    answers.map(({ sequence, status }) => [sequence, status]),
    [
      [21, STATUS.ESME_RINVCMDID],
      [22, STATUS.ESME_RINVMSGLEN],
      [24, STATUS.ESME_RINVCMDID],
    ],
  );
  assert.deepEqual([session.state, seen.delivered], ['bound', []]);
});

test('a deliver_sm with a malformed TLV is delivered', async (t) => {
  const { smsc, seen } = await boundToRaw(t);
  const bytes = Buffer.concat([
    encodePdu({ command: 'deliver_sm', sequence: 5, status: 0, message: receipt }),
    Buffer.from('1403ffff00', 'hex'),
  ]);
  bytes.writeUInt32BE(bytes.length, 0);
  smsc.socket.write(bytes);
  assert.equal((await smsc.next('deliver_sm_resp')).status, STATUS.ESME_ROK);
  assert.deepEqual(seen.delivered[0]?.pdu.message, receipt);
});

test('broken framing is answered with generic_nack and closes the session; the frame before it counts', async (t) => {
  const { session, smsc, seen } = await boundToRaw(t);
  const result = submit(session);
  const { sequence } = await smsc.next('submit_sm');
  const response = encodePdu({ command: 'submit_sm_resp', sequence, status: 0, messageId: 'before' });
  smsc.socket.write(Buffer.concat([response, Buffer.from('GET / HTTP/1.1\r\n\r\n')]));
  assert.equal((await result).kind, 'response');
  assert.equal((await smsc.next('generic_nack')).status, STATUS.ESME_RINVCMDLEN);
  assert.match(await seen.closed, /^broken framing/);
});

test('a handler that throws leaves the delivery with the operator', async (t) => {
  const { session, smsc, seen } = await boundToRaw(
    t,
    {},
    {
      onDeliver: () => {
        throw new Error('bug');
      },
    },
  );
  smsc.send({ command: 'deliver_sm', sequence: 5, status: 0, message: receipt });
  assert.equal((await smsc.next('deliver_sm_resp')).status, STATUS.ESME_RX_T_APPN);
  assert.deepEqual([session.state, seen.faults.length], ['bound', 1]);
});

test('a message that fits no PDU is the caller’s fault, takes no place of the window, and sends nothing', async (t) => {
  const { session, smsc } = await boundToRaw(t);
  const tlvs = { messagePayload: Buffer.alloc(65_500), others: new Map([[0x1400, Buffer.alloc(100)]]) };
  const tooLarge = sampleMessage({ shortMessage: Buffer.alloc(0), tlvs });
  assert.throws(() => session.submit(tooLarge, () => assert.fail('no result')), RangeError);
  assert.equal(session.freeWindow(), QUIET_OPTIONS.window);
  void submit(session);
  const pdu = await smsc.next('submit_sm');
  assert.ok(pdu.command === 'submit_sm');
  assert.deepEqual(pdu.message, sampleMessage());
});
