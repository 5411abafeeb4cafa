import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { SimulatedOperator } from '../../../src/simulator/smsc.ts';
import { FakePlatform, udhSegments } from './fake-platform.ts';

const START_MS = Date.UTC(2026, 2, 1, 20, 30);

/** An operator of its own for each test; its clock stands still. */
async function start(t: TestContext) {
  const clock = new ManualClock(START_MS);
  const log = createLogger({ level: 'silent' });
  const operator = new SimulatedOperator({ host: '127.0.0.1', port: 0, dataDir: undefined, clock, log });
  const { port } = await operator.start();
  const bound: FakePlatform[] = [];
  t.after(async () => {
    for (const platform of bound) platform.destroy();
    await operator.stop();
  });
  const bind = async (options: { responseTimeoutMs?: number } = {}): Promise<FakePlatform> => {
    const platform = await FakePlatform.bind({ port, ...options });
    bound.push(platform);
    return platform;
  };
  const texts = (number: string): string[] => operator.handsets.messages(number).map(({ text }) => text);
  return { clock, operator, bind, texts };
}

const OUTCOMES: [nn: string, stat: string, state: number, onHandset: boolean][] = [
  ['00', 'DELIVRD', 2, true],
  ['01', 'EXPIRED', 3, false],
  ['02', 'DELETED', 4, false],
  ['03', 'UNDELIV', 5, false],
  ['04', 'ACCEPTD', 6, false],
  ['05', 'UNKNOWN', 7, false],
  ['06', 'REJECTD', 8, false],
  ['11', 'DELIVRD', 2, true],
  ['13', 'DELIVRD', 2, true],
  ['31', 'DELIVRD', 2, true],
];
for (const [nn, stat, state, onHandset] of OUTCOMES) {
  test(`a message to 09000000${nn} ends as ${stat}`, async (t) => {
    const { bind, texts } = await start(t);
    const platform = await bind();
    const id = await platform.accepted({ to: `8869000000${nn}` });
    const [receipt] = await platform.receiptsOnceThere(1);
    assert.deepEqual(receipt, {
      id,
      stat,
      state,
      tlvId: id,
      reference: undefined,
      source: `8869000000${nn}`,
      destination: '12345',
      doneDate: '2603020430',
    });
    assert.deepEqual(texts(`09000000${nn}`), onHandset ? ['hello'] : []);
  });
}

const REFUSALS: [nn: string, status: number][] = [
  ['07', 0x02],
  ['08', 0x0b],
  ['09', 0x01],
  ['10', 0xff],
  ['12', 0x0480],
];
for (const [nn, status] of REFUSALS) {
  test(`a message to 09000000${nn} is refused with 0x${status.toString(16)}`, async (t) => {
    const { operator, bind, texts } = await start(t);
    const platform = await bind();
    const result = await platform.submit({ to: `+8869000000${nn}` });
    assert.ok(result.kind === 'response');
    assert.equal(result.status, status);
    assert.deepEqual(texts(`09000000${nn}`), []);
    assert.equal(operator.owed, 0);
  });
}

test('the three forms of a number are one destination', async (t) => {
  const { bind } = await start(t);
  const platform = await bind();
  for (const to of ['0900000003', '886900000003', '+886900000003']) await platform.accepted({ to });
  const receipts = await platform.receiptsOnceThere(3);
  assert.deepEqual(
    receipts.map(({ stat }) => stat),
    ['UNDELIV', 'UNDELIV', 'UNDELIV'],
  );
});

test('20: the first submit is delivered without an answer, a repeated one is answered', async (t) => {
  const { bind, texts } = await start(t);
  const platform = await bind({ responseTimeoutMs: 1_000 });
  const message = { to: '886900000020', tlvs: { userMessageReference: 77 } };
  const first = await platform.submit(message);
  assert.ok(first.kind === 'unknown' && first.reason === 'timeout');
  const id = await platform.accepted(message);
  const receipts = await platform.receiptsOnceThere(2);
  assert.deepEqual(
    receipts.map(({ reference, stat }) => [reference, stat]),
    [
      [77, 'DELIVRD'],
      [77, 'DELIVRD'],
    ],
  );
  assert.notEqual(receipts[0]?.id, id);
  assert.equal(receipts[1]?.id, id);
  assert.deepEqual(texts('0900000020'), ['hello', 'hello']);
});

test('21: throttled twice, then accepted, and so again for the next message', async (t) => {
  const { bind } = await start(t);
  const platform = await bind();
  for (let round = 0; round < 2; round++) {
    for (let attempt = 0; attempt < 2; attempt++) {
      const result = await platform.submit({ to: '886900000021' });
      assert.ok(result.kind === 'response');
      assert.equal(result.status, 0x58);
    }
    await platform.accepted({ to: '886900000021' });
  }
  await platform.receiptsOnceThere(2);
});

test('22: the receipt comes before the response', async (t) => {
  const { clock, bind } = await start(t);
  const platform = await bind();
  const accepted = platform.accepted({ to: '886900000022' });
  await platform.receiptsOnceThere(1);
  clock.advance(100);
  const id = await accepted;
  assert.deepEqual(platform.events, [`receipt ${id}`, `response ${id}`]);
});

test('23: the receipt comes three times', async (t) => {
  const { bind } = await start(t);
  const platform = await bind();
  const id = await platform.accepted({ to: '886900000023' });
  const receipts = await platform.receiptsOnceThere(3);
  assert.deepEqual(
    receipts.map((receipt) => receipt.id),
    [id, id, id],
  );
  await platform.accepted({ to: '886911000000' });
  assert.equal((await platform.receiptsOnceThere(4)).length, 4);
});

test('24: the id is hexadecimal in the response and decimal in the receipt', async (t) => {
  const { bind } = await start(t);
  const platform = await bind();
  const id = await platform.accepted({ to: '886900000024' });
  const [receipt] = await platform.receiptsOnceThere(1);
  assert.match(id, /^[0-9A-F]+$/);
  assert.equal(receipt?.id, String(Number.parseInt(id, 16)));
  assert.notEqual(receipt?.id, id);
});

test('25: the connection is cut once, after the message was taken', async (t) => {
  const { bind, texts } = await start(t);
  const first = await bind();
  const cut = await first.submit({ to: '886900000025' });
  assert.ok(cut.kind === 'unknown' && cut.reason === 'closed');
  const second = await bind();
  const id = await second.accepted({ to: '886900000025' });
  const receipts = await second.receiptsOnceThere(2);
  assert.equal(receipts[1]?.id, id);
  assert.deepEqual(texts('0900000025'), ['hello', 'hello']);
});

test('25: a long message is cut off once, not once a segment', async (t) => {
  const { bind, texts } = await start(t);
  const segments = udhSegments(9, ['one ', 'two ', 'three']).map((segment) => ({ to: '886900000025', ...segment }));
  const first = await bind();
  assert.ok(segments[0] !== undefined);
  assert.equal((await first.submit(segments[0])).kind, 'unknown');
  const second = await bind();
  for (const segment of segments) await second.accepted(segment);
  assert.equal(texts('0900000025').at(-1), 'one two three');
});

test('26: the receipt comes 30 seconds late', async (t) => {
  const { clock, bind } = await start(t);
  const platform = await bind();
  await platform.accepted({ to: '886900000026' });
  clock.advance(29_990);
  await platform.accepted({ to: '886911000001' });
  await platform.receiptsOnceThere(1);
  assert.equal(platform.receipts()[0]?.source, '886911000001');
  clock.advance(10);
  const receipts = await platform.receiptsOnceThere(2);
  assert.equal(receipts[1]?.source, '886900000026');
});

test('27: the receipts of the segments come in reverse order', async (t) => {
  const { bind } = await start(t);
  const platform = await bind();
  const ids: string[] = [];
  for (const segment of udhSegments(7, ['a', 'b', 'c'])) {
    ids.push(await platform.accepted({ to: '886900000027', ...segment }));
    assert.equal(platform.receipts().length, 0);
  }
  const receipts = await platform.receiptsOnceThere(3);
  assert.deepEqual(
    receipts.map(({ id }) => id),
    ids.toReversed(),
  );
});

test('27: an unfinished message loses no receipt', async (t) => {
  const { clock, bind } = await start(t);
  const platform = await bind();
  const [first] = udhSegments(8, ['a', 'b']);
  await platform.accepted({ to: '886900000027', ...first });
  clock.advance(10_000);
  assert.equal((await platform.receiptsOnceThere(1)).length, 1);
});

test('28: the id is padded in the receipt, which has no TLVs', async (t) => {
  const { bind } = await start(t);
  const platform = await bind();
  const id = await platform.accepted({ to: '886900000028' });
  const [receipt] = await platform.receiptsOnceThere(1);
  assert.ok(receipt !== undefined);
  assert.match(receipt.id, /^0+[1-9]/);
  assert.equal(receipt.id.replace(/^0+/, ''), id);
  assert.deepEqual([receipt.tlvId, receipt.state], [undefined, undefined]);
});

test('29: a submit is never answered, nor delivered', async (t) => {
  const { operator, bind, texts } = await start(t);
  const platform = await bind({ responseTimeoutMs: 1_000 });
  for (let attempt = 0; attempt < 2; attempt++) {
    const result = await platform.submit({ to: '886900000029' });
    assert.ok(result.kind === 'unknown' && result.reason === 'timeout');
  }
  assert.deepEqual(texts('0900000029'), []);
  assert.equal(operator.owed, 0);
});

test('30: the queue is full for ten seconds', async (t) => {
  const { clock, bind } = await start(t);
  const platform = await bind();
  const refused = async (): Promise<void> => {
    const result = await platform.submit({ to: '886900000030' });
    assert.ok(result.kind === 'response');
    assert.equal(result.status, 0x14);
  };
  await refused();
  clock.advance(9_999);
  await refused();
  clock.advance(1);
  await platform.accepted({ to: '886900000030' });
  assert.equal((await platform.receiptsOnceThere(1))[0]?.stat, 'DELIVRD');
});

test('a message whose validity has run out when it comes is EXPIRED', async (t) => {
  const { bind, texts } = await start(t);
  const platform = await bind();
  const to = '886911000002';
  await platform.accepted({ to, validityPeriod: '260301202000000+' });
  await platform.accepted({ to, validityPeriod: '000000000100000R', shortMessage: Buffer.from('in time') });
  const receipts = await platform.receiptsOnceThere(2);
  assert.deepEqual(
    receipts.map(({ stat }) => stat),
    ['EXPIRED', 'DELIVRD'],
  );
  assert.deepEqual(texts('0911000002'), ['in time']);
});

test('a receipt is sent only to who asked for it', async (t) => {
  const { bind } = await start(t);
  const platform = await bind();
  await platform.accepted({ to: '886911000003', registeredDelivery: 0 });
  await platform.accepted({ to: '886911000003', registeredDelivery: 2 });
  const failed = await platform.accepted({ to: '886900000003', registeredDelivery: 2 });
  const asked = await platform.accepted({ to: '886911000003', registeredDelivery: 1 });
  const receipts = await platform.receiptsOnceThere(2);
  assert.deepEqual(
    receipts.map(({ id }) => id),
    [failed, asked],
  );
});

test('a destination that is no number is refused', async (t) => {
  const { bind } = await start(t);
  const platform = await bind();
  const result = await platform.submit({ to: 'nobody' });
  assert.ok(result.kind === 'response');
  assert.equal(result.status, 0x0b);
});
