/** The platform at an operator whose SMPP is not ours: it binds, submits, and settles what comes back. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { decodeUserData } from '../../src/gsm/user-data.ts';
import { eventually, moveTime, type SmsNode, startSmsNode } from '../harness/sms-node.ts';
import { NET_SMPP_ACCOUNT, type NetSmpp, type ReadSubmit, startNetSmpp } from './net-smpp.ts';
import { connectSession } from '../../src/smpp/session.ts';

const GSM7 = 'Feige: 1 + 1 = 2? @£$¥ÄÖÜ {[~]} €';
const UCS2 = '飛鴿傳書，使命必達。';
const LONG_GSM7 = 'A long message: [€ 1,000] ~ {x}. '.repeat(12).slice(0, 380);
const LONG_UCS2 = '長簡訊會分成幾則，收到的手機再接起來。'.repeat(8);
const GRACE_MS = 60_000;
const VALIDITY_SECONDS = 300;
const POINTS = 1_000;

for (const [bindMode, concatenation] of [
  ['transceiver', 'udh'],
  ['transmitter+receiver', 'sar'],
] as const) {
  test(`the platform submits as ${bindMode} with ${concatenation} to Net::SMPP and settles its receipts`, async (t) => {
    const { smsc, node } = await startNode(t, { bindMode, concatenation });
    const sent: [string, string, string][] = [
      ['0911000001', GSM7, 'DELIVRD'],
      ['0911000002', UCS2, 'DELIVRD'],
      ['0911000005', LONG_GSM7, 'DELIVRD'],
      ['0911000006', LONG_UCS2, 'DELIVRD'],
      ['0911000003', LONG_UCS2, 'UNDELIV'],
      ['0911000008', 'refused', 'MOBERROR'],
    ];
    const msgids: number[] = [];
    for (const [mobile, text] of sent) msgids.push(await node.sendAccepted(mobile, text));
    for (const [index, [mobile, text, state]] of sent.entries()) {
      assert.equal(await node.finalState(msgids[index] ?? 0, mobile), state, smsc.story());
      const submits = smsc.submits().filter(({ to }) => to === `886${mobile.slice(1)}`);
      assert.equal(submits.map(textOf).join(''), text);
      if (submits.length > 1) assertPlaces(submits, concatenation);
    }
    // The refused message cost nothing; the others one point for each segment.
    const segments = smsc.submits().length - 1;
    assert.equal(await node.balance(), POINTS - segments);
    assert.equal(smsc.story(), '');
  });
}

test('a message from a handset at Net::SMPP is stored', async (t) => {
  const { smsc, node } = await startNode(t, {});
  await node.rows(`INSERT INTO numbers (snumber, address, account_id) VALUES ('12345', '12345', ${node.accountId})`);
  await node.sendAccepted('0911000001', 'please answer');
  const body = await eventually('the answer', async () => {
    const rows = await node.rows<{ body: string }>('SELECT body FROM incoming');
    return rows[0]?.body;
  });
  assert.equal(body, '回覆');
  assert.equal(smsc.story(), '');
});

test('Net::SMPP is asked by query_sm about a message whose receipt never came', async (t) => {
  const { smsc, node } = await startNode(t, { querySm: true });
  const msgid = await node.sendAccepted('0911000004', 'no receipt', { validitySeconds: VALIDITY_SECONDS });
  await eventually('the submit', async () =>
    (await node.events(msgid)).some((event) => event.kind === 'submitted') ? true : undefined,
  );
  await moveTime(node, VALIDITY_SECONDS * 1_000 + GRACE_MS + 1_000);
  assert.equal(await node.finalState(msgid, '0911000004'), 'DELIVRD', smsc.story());
  assert.ok((await node.events(msgid)).some((event) => event.detail?.startsWith('query_sm')));
});

test('Net::SMPP refuses a wrong password with its status', async (t) => {
  const smsc = await startNetSmpp(t);
  const result = await connectSession({
    host: '127.0.0.1',
    port: smsc.port,
    bind: { mode: 'transceiver', systemId: NET_SMPP_ACCOUNT.systemId, password: 'wrong' },
    options: { window: 1, responseTimeoutMs: 5_000, enquireLinkMs: 0 },
    handlers: { onDeliver: () => {}, onClose: () => {} },
  });
  assert.deepEqual(result, { kind: 'refused', status: 0x0e });
});

async function startNode(
  context: TestContext,
  operatorSettings: Record<string, unknown>,
): Promise<{ smsc: NetSmpp; node: SmsNode }> {
  const smsc = await startNetSmpp(context);
  const node = await startSmsNode({
    receiptGraceMs: GRACE_MS,
    points: POINTS,
    operatorSettings: {
      ...NET_SMPP_ACCOUNT,
      port: smsc.port,
      enquireLinkMs: 200,
      responseTimeoutMs: 5_000,
      ...operatorSettings,
    },
  });
  context.after(() => node.stop());
  return { smsc, node };
}

function textOf({ dataCoding, udhi, bytes }: ReadSubmit): string {
  return decodeUserData({ dataCoding, udhi, bytes, defaultAlphabet: 'gsm7' }).text;
}

function assertPlaces(submits: readonly ReadSubmit[], concatenation: 'udh' | 'sar'): void {
  const total = submits.length;
  for (const [index, submit] of submits.entries()) {
    // TS 23.040 §9.2.3.24.1: element 0, three octets long.
    const header = [5, 0, 3, submit.bytes[3], total, index + 1];
    if (concatenation === 'udh') assert.deepEqual([...submit.bytes.subarray(0, 6)], header);
    else assert.deepEqual(submit.sar, [submits[0]?.sar[0], total, index + 1]);
    assert.equal(submit.reference, ((submits[0]?.reference ?? 0) + index) % 0x10000);
  }
}
