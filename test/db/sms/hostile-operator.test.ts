/**
 * An operator that delivers whatever it likes, to a node with its real database: every delivery is answered, and the
 * link, the receipts of others and the incoming messages of others go on.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAccount } from '../../../src/store/account-admin.ts';
import { assignNumber } from '../../../src/store/numbers.ts';
import { decodePdu, type ShortMessageFields } from '../../../src/smpp/pdu.ts';
import type { SubmitResult } from '../../../src/smpp/requests.ts';
import { mutant, randomOfInput } from '../../fuzz/mutation.ts';
import { framed } from '../../fuzz/smpp-codec.ts';
import { smppSeeds } from '../../fuzz/smpp-corpus.ts';
import { type ScriptedOperator, startScriptedOperator } from '../../harness/scripted-operator.ts';
import { eventually, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const MOBILE = '0911222333';
const RECEIPT = 4;
const UDHI = 0x40;
const MUTANTS = 600;
const AT_ONCE = 100;
const SEED = 20_261_122;

let node: SmsNode;
let operator: ScriptedOperator;

before(async () => {
  operator = await startScriptedOperator((submit) => submit.accept(`id${submit.n}`));
  node = await startSmsNode({
    operatorSettings: { port: operator.port },
    prepare: async (database) => {
      await createAccount(database, { username: 'incoming', passwordHash: 'none', points: 0, settings: {} });
      await assignNumber(database, { snumber: '12345', address: '12345', username: 'incoming' });
    },
  });
});
after(async () => {
  await node.stop();
  await operator.stop();
});

/** A message of another customer goes out and its receipt settles it. */
async function othersGoOn(): Promise<void> {
  const msgid = await node.sendAccepted(MOBILE, 'hello');
  const [submitted] = await submittedIds(msgid);
  assert.ok(submitted);
  const answer = await operator.receipt({ id: submitted, stat: 'DELIVRD' });
  assert.deepEqual([answer.kind, 'status' in answer ? answer.status : undefined], ['response', 0]);
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
}

async function submittedIds(msgid: number): Promise<string[]> {
  return eventually('the submit', async () => {
    const sent = (await node.events(msgid)).filter(({ kind }) => kind === 'submitted');
    return sent.length > 0 ? sent.map((event) => event.operator_message_id ?? '') : undefined;
  });
}

function text(body: string, more: Partial<ShortMessageFields> = {}): Partial<ShortMessageFields> {
  return { shortMessage: Buffer.from(body, 'latin1'), ...more };
}

/** Every run the same. */
function noise(bytes: number): Buffer {
  const random = randomOfInput(SEED, 0);
  return Buffer.from(Array.from({ length: bytes }, () => random(256)));
}

const HOSTILE: Readonly<Record<string, Partial<ShortMessageFields>>> = {
  'a receipt of SQL': text(`id:'; DROP TABLE messages; -- stat:DELIVRD`, { esmClass: RECEIPT }),
  'a receipt whose id has a NUL': text('id:a\0b stat:DELIVRD', {
    esmClass: RECEIPT,
    tlvs: { receiptedMessageId: 'a\0b' },
  }),
  'a receipt of nothing but a NUL': text('\0', { esmClass: RECEIPT }),
  'a receipt with an id of 60,000 characters': {
    esmClass: RECEIPT,
    tlvs: { messagePayload: Buffer.from(`id:${'9'.repeat(60_000)} stat:DELIVRD`) },
  },
  'a receipt with an impossible state': text('id:1 stat:\xff\xfe\x00', {
    esmClass: RECEIPT,
    tlvs: { messageState: 255 },
  }),
  'a receipt of a day that is none': text('id:1 done date:9913329999 stat:DELIVRD', { esmClass: RECEIPT }),
  'a receipt of the year 9999': text('id:1 done date:99991231235959 stat:DELIVRD', { esmClass: RECEIPT }),
  'a receipt from a number that is none': text('id:1 stat:DELIVRD', {
    esmClass: RECEIPT,
    source: { ton: 7, npi: 31, digits: `'\xff\xfe x` },
  }),
  'a message from nobody': text('hello', { source: { ton: 255, npi: 255, digits: '' } }),
  'a message from bytes': text('hello', { source: { ton: 5, npi: 0, digits: '\x01\x7f\xff' } }),
  'a message to nobody': text('hello', { destination: { ton: 0, npi: 0, digits: '' } }),
  'lone surrogates': { dataCoding: 8, shortMessage: Buffer.from('d800dc00dc00d800', 'hex') },
  'an odd number of UCS-2 bytes': { dataCoding: 8, shortMessage: Buffer.from('60a859', 'hex') },
  'nothing but NUL': { dataCoding: 8, shortMessage: Buffer.alloc(140) },
  'a header longer than the message': { esmClass: UDHI, shortMessage: Buffer.from('ff000302', 'hex') },
  'a part beyond the last': { esmClass: UDHI, shortMessage: Buffer.from('0500032a02ff68', 'hex') },
  'part 0 of 0': { esmClass: UDHI, shortMessage: Buffer.from('0500032a000068', 'hex') },
  'one of 255 parts': { esmClass: UDHI, shortMessage: Buffer.from('0500032bff0168', 'hex') },
  'the same part with other words': { esmClass: UDHI, shortMessage: Buffer.from('0500032bff0169', 'hex') },
  'parts by TLVs that contradict themselves': text('a', {
    tlvs: { sarMsgRefNum: 65_535, sarTotalSegments: 0, sarSegmentSeqnum: 255 },
  }),
  'a coding that nobody has': { dataCoding: 0xef, shortMessage: Buffer.from('fffefdfc', 'hex') },
  'a message of 60,000 bytes': { tlvs: { messagePayload: Buffer.alloc(60_000, 'a') } },
  'a message of 60,000 bytes that nothing compresses': { dataCoding: 8, tlvs: { messagePayload: noise(60_000) } },
  'a message from an address of 60,000 characters': text('hello', {
    source: { ton: 5, npi: 0, digits: noise(30_000).toString('hex') },
  }),
  'a part to an address of 60,000 characters': {
    destination: { ton: 5, npi: 0, digits: noise(30_000).toString('hex') },
    esmClass: UDHI,
    shortMessage: Buffer.from('0500032c020168', 'hex'),
  },
};

/** Each answer is a response; which status is the codec's and the database's to say, but never silence. */
function assertAnswered(what: string, result: SubmitResult): void {
  assert.equal(result.kind, 'response', `${what}: ${JSON.stringify(result)}`);
}

for (const [what, message] of Object.entries(HOSTILE)) {
  test(`${what} is taken, and costs nobody else anything`, async () => {
    const answer = await operator.deliver(message);
    assertAnswered(what, answer);
    assert.equal('status' in answer ? answer.status : undefined, 0, 'an operator would send it again for ever');
  });
}

test('after them others go on', othersGoOn);

test(`of ${MUTANTS} damaged deliveries each is answered, and others go on`, async () => {
  const seeds = smppSeeds();
  const messages: ShortMessageFields[] = [];
  for (let n = 0; messages.length < MUTANTS; n += 1) {
    const decoded = decodePdu(framed(mutant(seeds, randomOfInput(SEED, n))));
    if (decoded.ok && 'message' in decoded.pdu) messages.push(decoded.pdu.message);
  }
  for (let at = 0; at < messages.length; at += AT_ONCE) {
    const batch = messages.slice(at, at + AT_ONCE);
    const answers = await Promise.all(batch.map((message) => operator.deliver(message)));
    for (const [index, answer] of answers.entries()) assertAnswered(JSON.stringify(batch[index]), answer);
  }
  await othersGoOn();
  assert.equal(operator.binds.length > 0 && node.pipeline.directory.isUp(node.operatorId), true);
});
