/** What the platform's links and the simulated operator write to each other is SMPP to a decoder that is not ours. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { COMMAND } from '../../src/smpp/pdu.ts';
import { eventually, type SmsNode, startSmsNode } from '../harness/sms-node.ts';
import { type ReadLine, type ReadPdu, readReceipt, readWhole } from './smpp-reading.ts';
import { type RecordedLine, startRecordedLine } from './recorded-line.ts';
import { fieldOf } from './tshark.ts';

const GSM7 = 'Feige: 1 + 1 = 2? @£$¥ÄÖÜ {[~]} €';
const UCS2 = '飛鴿傳書，使命必達。';
const LONG_GSM7 = 'A long message: [€ 1,000] ~ {x}. '.repeat(12).slice(0, 380);
const LONG_UCS2 = '長簡訊會分成幾則，收到的手機再接起來。'.repeat(8);
/** Every form of receipt that the destination table has, and a refusal. */
const DESTINATIONS: Record<string, string> = {
  '00': 'DELIVRD',
  '01': 'EXPIRED',
  '02': 'DELETED',
  '03': 'UNDELIV',
  '04': 'ACCEPTD',
  '05': 'UNKNOWN',
  '06': 'REJECTD',
  '08': 'MOBERROR',
  '22': 'DELIVRD',
  '23': 'DELIVRD',
  '24': 'DELIVRD',
  '27': 'DELIVRD',
  '28': 'DELIVRD',
};
/** message_state, SMPP 3.4 §5.2.28. */
const STATES: Record<string, number> = {
  DELIVRD: 2,
  EXPIRED: 3,
  DELETED: 4,
  UNDELIV: 5,
  ACCEPTD: 6,
  UNKNOWN: 7,
  REJECTD: 8,
};
const RECEIPT_TYPE = 1;
const ENQUIRE_LINK_MS = 100;

for (const [bindMode, concatenation] of [
  ['transceiver', 'udh'],
  ['transmitter+receiver', 'sar'],
] as const) {
  test(`tshark reads all that links write as ${bindMode}, with ${concatenation}, and all that the operator answers`, async (t) => {
    const { node, line, finish } = await startRecordedNode(t, {
      bindMode,
      concatenation,
      enquireLinkMs: ENQUIRE_LINK_MS,
    });
    await sendToAll(node);
    for (const text of [UCS2, LONG_GSM7, LONG_UCS2]) await sendAndSettle(node, '0911222333', text);
    for (const text of ['yes', LONG_UCS2]) await node.simulator.reply({ from: '0911222333', to: '12345', text });
    await eventually('acknowledged deliveries', async () => (node.simulator.owed === 0 ? true : undefined));
    await eventually('a sign of life', async () => (asksForLife(line) ? true : undefined));
    await finish();
    const read = await readWhole(t, line);
    assertBinds(read, bindMode);
    assertTexts(read, concatenation);
    assertReceipts(read);
    for (const command of ['enquire_link', 'enquire_link_resp', 'unbind', 'unbind_resp'] as const) {
      assert.ok(read.of(COMMAND[command]).length > 0, command);
    }
  });
}

test('a field that does not fit would be noticed', async (t) => {
  const { node, line, finish } = await startRecordedNode(t, {});
  await sendAndSettle(node, '0911222333', GSM7);
  await finish();
  const damaged: RecordedLine = {
    ...line,
    packetFile: (port, only) => {
      const bytes = line.packetFile(port, only);
      const at = bytes.indexOf('886911222333');
      // The address loses its end, and the fields after it their places.
      bytes.fill(0x39, at, at + '886911222333'.length + 8);
      return bytes;
    },
  };
  await assert.rejects(readWhole(t, damaged), /malformed/i);
});

interface RecordedNode {
  node: SmsNode;
  line: RecordedLine;
  /** Unbinds, and resolves when the line is silent. */
  finish: () => Promise<void>;
}

async function startRecordedNode(
  context: TestContext,
  operatorSettings: Record<string, unknown>,
): Promise<RecordedNode> {
  const started = Promise.withResolvers<RecordedLine>();
  const node = await startSmsNode({
    operatorSettings,
    operatorPort: async (simulatorPort) => {
      const line = await startRecordedLine(context, simulatorPort);
      started.resolve(line);
      return line.port;
    },
  });
  const line = await started.promise;
  let ending: Promise<void> | undefined;
  const finish = (): Promise<void> => {
    ending ??= node.stop().then(() => line.silent());
    return ending;
  };
  context.after(finish);
  return { node, line, finish };
}

async function sendToAll(node: SmsNode): Promise<void> {
  const sent = Object.entries(DESTINATIONS).map(async ([ending, state]) => {
    const text = ending === '27' ? LONG_GSM7 : `${GSM7} ${ending}`;
    const mobile = `09000000${ending}`;
    // No final state: what was accepted may still be delivered.
    if (state === 'ACCEPTD') await node.sendAccepted(mobile, text);
    else assert.equal(await sendAndSettle(node, mobile, text), state, ending);
  });
  await Promise.all(sent);
}

async function sendAndSettle(node: SmsNode, mobile: string, text: string): Promise<string> {
  return node.finalState(await node.sendAccepted(mobile, text), mobile);
}

function asksForLife(line: RecordedLine): boolean {
  return line.written('server').some((bytes) => bytes.includes(Buffer.from('0000001080000015', 'hex')));
}

function assertBinds({ of }: ReadLine, bindMode: string): void {
  for (const mode of ['transceiver', 'transmitter', 'receiver'] as const) {
    const [bind, answer] = [of(COMMAND[`bind_${mode}`])[0], of(COMMAND[`bind_${mode}_resp`])[0]];
    if (!bindMode.includes(mode)) {
      assert.equal(bind, undefined);
      continue;
    }
    assert.equal(fieldOf(bind?.fields ?? {}, 'smpp.system_id'), 'feige');
    assert.equal(fieldOf(bind?.fields ?? {}, 'smpp.interface_version'), '52');
    assert.deepEqual([answer?.status, fieldOf(answer?.fields ?? {}, 'smpp.system_id')], [0, 'feige-simulator']);
    assert.equal(fieldOf(answer?.fields ?? {}, 'smpp.SC_interface_version'), '52');
  }
}

function assertTexts(read: ReadLine, concatenation: 'udh' | 'sar'): void {
  const submits = read.of(COMMAND.submit_sm);
  const incoming = read.of(COMMAND.deliver_sm).filter((pdu) => !isReceipt(pdu));
  for (const ending of Object.keys(DESTINATIONS)) {
    if (ending === '27') continue;
    assert.ok(
      submits.some(({ text }) => text === `${GSM7} ${ending}`),
      ending,
    );
  }
  assert.ok(submits.some(({ text }) => text === UCS2));
  assert.ok(incoming.some(({ text }) => text === 'yes'));
  for (const text of [LONG_GSM7, LONG_UCS2]) assert.ok(joined(submits, '886911222333').includes(text), text);
  assert.equal(joined(submits, '886900000027'), LONG_GSM7);
  assert.ok(joined(incoming, '12345').includes(LONG_UCS2));
  const whole = read.reassembled.filter((bytes) => bytes.equals(Buffer.from(LONG_UCS2, 'utf16le').swap16()));
  assert.equal(whole.length, 2, 'one sent and one received, put together by user data headers or by the sar_ TLVs');
  assert.equal(
    submits.some((pdu) => fieldOf(pdu.fields, 'smpp.sar_total_segments')),
    concatenation === 'sar',
  );
}

function joined(pdus: readonly ReadPdu[], to: string): string {
  return pdus
    .filter((pdu) => fieldOf(pdu.fields, 'smpp.destination_addr') === to)
    .map(({ text }) => text)
    .join('');
}

function assertReceipts(read: ReadLine): void {
  const receipts = read.of(COMMAND.deliver_sm).filter(isReceipt);
  for (const [ending, stat] of Object.entries(DESTINATIONS)) {
    const found = receipts.filter((pdu) => fieldOf(pdu.fields, 'smpp.source_addr') === `8869000000${ending}`);
    assert.equal(found.length, ending === '08' ? 0 : ending === '23' || ending === '27' ? 3 : 1, ending);
    for (const receipt of found.map(readReceipt)) {
      assert.equal(receipt.stat, stat);
      assert.equal(receipt.tlvId, ending === '28' ? undefined : receipt.id);
      assert.equal(receipt.tlvState, ending === '28' ? undefined : STATES[stat]);
    }
  }
}

function isReceipt(pdu: ReadPdu): boolean {
  return Number(fieldOf(pdu.fields, 'smpp.esm.submit.msg_type')) === RECEIPT_TYPE;
}
