import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ScriptedOperator, startScriptedOperator, type Submit } from '../../harness/scripted-operator.ts';
import { eventually, moveTime, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const ESM_CLASS_UDHI = 0x40;
const UCS2 = 8;

let node: SmsNode;
let operator: ScriptedOperator;
let accept = (submit: Submit): void => submit.accept(`id${submit.n}`);
before(async () => {
  operator = await startScriptedOperator((submit) => accept(submit));
  node = await startSmsNode({ operatorSettings: { port: operator.port } });
  await node.rows(`INSERT INTO numbers (snumber, address, account_id) VALUES ('12345', '12345', ${node.accountId})`);
  await node.rows("UPDATE accounts SET incoming_url = 'http://127.0.0.1:9/mo'");
});
after(async () => {
  await node.stop();
  await operator.stop();
});

function ucs2(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16();
}

async function single(text: string, from = '886911222333'): Promise<void> {
  const answer = await operator.deliver({
    source: { ton: 1, npi: 1, digits: from },
    dataCoding: UCS2,
    shortMessage: ucs2(text),
  });
  assert.equal(answer.kind === 'response' && answer.status, 0);
}

async function part(reference: number, total: number, sequence: number, text: string): Promise<void> {
  const answer = await operator.deliver({
    esmClass: ESM_CLASS_UDHI,
    dataCoding: UCS2,
    shortMessage: Buffer.concat([Buffer.from([5, 0, 3, reference, total, sequence]), ucs2(text)]),
  });
  assert.equal(answer.kind === 'response' && answer.status, 0);
}

async function shown(pattern: string): Promise<string[]> {
  const rows = await node.rows<{ body: string }>('SELECT body FROM incoming WHERE body LIKE $1 ORDER BY seq', [
    pattern,
  ]);
  return rows.map((row) => row.body);
}

test('an incoming message is stored for the account that has the number, and owed to its URL', async () => {
  await single('回覆');
  const startMs = node.clock.now() - 60_000;
  const found = await node.pipeline.incomingQuery.find({
    accountId: node.accountId,
    snumber: '12345',
    startMs,
    endMs: startMs + 120_000,
  });
  assert.ok(found.kind === 'rows');
  assert.deepEqual(
    found.rows.map((row) => [row.mobile, row.text]),
    [['886911222333', '回覆']],
  );
  const [owed] = await node.rows<{ url: string; payload: string }>(
    "SELECT url, payload FROM outbox WHERE kind = 'incoming'",
  );
  assert.equal(owed?.url, 'http://127.0.0.1:9/mo');
  assert.match(owed?.payload ?? '', /"mobile":"0911222333","message":"\\u56de\\u8986"/);
});

test('the same text of the same sender within 60 s is one message, of another sender or later it is another', async () => {
  await single('again');
  await single('again');
  assert.deepEqual(await shown('again'), ['again']);
  await single('again', '886922333444');
  await moveTime(node, 61_000);
  await single('again');
  assert.equal((await shown('again')).length, 3);
});

test('the segments of a message are joined in whatever order they come, and copies of them change nothing', async () => {
  await part(7, 3, 3, '參');
  await part(7, 3, 1, '壹');
  await part(7, 3, 1, '壹');
  assert.deepEqual(await shown('壹%'), []);
  await part(7, 3, 2, '貳');
  assert.deepEqual(await shown('壹%'), ['壹貳參']);
  await part(7, 3, 2, '貳');
  await moveTime(node, 16 * 60_000);
  await single('a turn of the sweep');
  await eventually('the copies to be forgotten', async () =>
    (await node.rows('SELECT 1 FROM incoming_segments')).length === 0 ? true : undefined,
  );
  assert.deepEqual(await shown('%貳%'), ['壹貳參']);
});

test('after 15 minutes a message is shown with what is missing marked', async () => {
  await part(8, 3, 1, '頭');
  await part(8, 3, 3, '尾');
  await moveTime(node, 14 * 60_000);
  assert.deepEqual(await shown('頭%'), []);
  await moveTime(node, 2 * 60_000);
  const texts = await eventually('the incomplete message', async () => {
    const found = await shown('頭%');
    return found.length > 0 ? found : undefined;
  });
  assert.deepEqual(texts, ['頭[…]尾']);
});

test('a reference that is used again loses neither message', async () => {
  await part(9, 2, 1, '舊一');
  await part(9, 2, 1, '新一');
  await part(9, 2, 2, '新二');
  assert.deepEqual(await shown('舊%'), ['舊一[…]']);
  assert.deepEqual(await shown('新%'), ['新一新二']);
  await part(9, 2, 1, '再一');
  await part(9, 2, 2, '再二');
  assert.deepEqual(await shown('再%'), ['再一再二']);
});

test('a message with a NUL, or with a segment outside of its total, is stored and acknowledged', async () => {
  await single('a\0b');
  assert.deepEqual(await shown('ab'), ['ab']);
  for (const sarSegmentSeqnum of [1, 5]) {
    const answer = await operator.deliver({
      dataCoding: UCS2,
      shortMessage: ucs2(`sar ${sarSegmentSeqnum}`),
      tlvs: { sarMsgRefNum: 10, sarTotalSegments: 2, sarSegmentSeqnum },
    });
    assert.equal(answer.kind === 'response' && answer.status, 0);
  }
  assert.deepEqual(await shown('sar%'), ['sar 5'], 'it is no part of the other');
});

test('a text that looks like a receipt and matches no segment is shown after 15 minutes', async () => {
  await single('my order id:4711 has stat:DELIVRD, where is it?');
  await single('id:4712 stat:whatever');
  await moveTime(node, 14 * 60_000);
  assert.deepEqual(await shown('%id:471%'), [], 'the segment may still come');
  await moveTime(node, 2 * 60_000);
  const texts = await eventually('the texts', async () => {
    const found = await shown('%id:471%');
    return found.length === 2 ? found : undefined;
  });
  assert.deepEqual(texts.toSorted(), ['id:4712 stat:whatever', 'my order id:4711 has stat:DELIVRD, where is it?']);
  const kept = await node.rows("SELECT 1 FROM in_flight WHERE operator_message_id = '4711'");
  assert.equal(kept.length, 1, 'as a receipt it is still looked for');
});

test('a receipt without any sign but its text that comes before the response settles its message and is not shown', async () => {
  await single('id:early-one stat:DELIVRD');
  accept = (submit) => submit.accept('early-one');
  const msgid = await node.sendAccepted('0911222333', 'its receipt was first');
  assert.equal(await node.finalState(msgid, '0911222333'), 'DELIVRD');
  await moveTime(node, 16 * 60_000);
  await eventually('nothing to be held', async () =>
    (await node.rows('SELECT 1 FROM incoming_segments WHERE total = 1')).length === 0 ? true : undefined,
  );
  assert.deepEqual(await shown('%early-one%'), []);
});

test('a text with the dates of a receipt is only kept as a receipt', async () => {
  await single('id:4714 sub:001 dlvrd:001 submit date:2611221000 done date:2611221001 stat:DELIVRD err:000 text:');
  assert.equal((await node.rows("SELECT 1 FROM in_flight WHERE operator_message_id = '4714'")).length, 1);
  assert.equal((await node.rows('SELECT 1 FROM incoming_segments WHERE total = 1')).length, 0);
});

test('a text that looks like a receipt and was sent to no two-way number is only kept as a receipt', async () => {
  const answer = await operator.deliver({
    destination: { ton: 0, npi: 1, digits: 'FEIGE' },
    shortMessage: Buffer.from('id:4713 stat:UNDELIV'),
  });
  assert.equal(answer.kind === 'response' && answer.status, 0);
  assert.equal((await node.rows("SELECT 1 FROM in_flight WHERE operator_message_id = '4713'")).length, 1);
  assert.equal((await node.rows('SELECT 1 FROM incoming_segments WHERE total = 1')).length, 0);
});

/** No two characters alike, or PostgreSQL would compress them. */
function hanzi(first: number, count: number): string {
  return Array.from({ length: count }, (_, index) => String.fromCharCode(0x4e00 + first + index)).join('');
}

test('an incoming message of thousands of hanzi arrives whole, and its copy is known for one', async () => {
  const text = hanzi(0, 67 * 30);
  for (let copy = 0; copy < 2; copy += 1) {
    for (let sequence = 1; sequence <= 30; sequence += 1) {
      await part(77, 30, sequence, text.slice(67 * (sequence - 1), 67 * sequence));
    }
  }
  assert.deepEqual(await shown(`${text.slice(0, 67)}%`), [text]);
});

test('of what no handset can send the first 39,015 characters are taken', async () => {
  const text = hanzi(5_000, 15_000);
  for (let sequence = 1; sequence <= 3; sequence += 1) {
    const answer = await operator.deliver({
      dataCoding: UCS2,
      shortMessage: Buffer.alloc(0),
      tlvs: { messagePayload: ucs2(text), sarMsgRefNum: 78, sarTotalSegments: 3, sarSegmentSeqnum: sequence },
    });
    assert.equal(answer.kind === 'response' && answer.status, 0);
  }
  assert.deepEqual(
    (await shown(`${text.slice(0, 67)}%`)).map((body) => body.length),
    [39_015],
  );
});
