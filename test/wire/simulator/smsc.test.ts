import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { decodeUserData } from '../../../src/gsm/user-data.ts';
import { SimulatedOperator } from '../../../src/simulator/smsc.ts';
import type { Tuning } from '../../../src/simulator/tuning.ts';
import { FakePlatform, type FakePlatformOptions, udhSegments } from './fake-platform.ts';

async function start(t: TestContext, tuning: Partial<Tuning> = {}) {
  const clock = new ManualClock(Date.UTC(2026, 2, 1));
  const log = createLogger({ level: 'silent' });
  const operator = new SimulatedOperator({ host: '127.0.0.1', port: 0, dataDir: undefined, clock, log, ...tuning });
  const { port } = await operator.start();
  const bound: FakePlatform[] = [];
  t.after(async () => {
    for (const platform of bound) platform.destroy();
    await operator.stop();
  });
  const bind = async (options: Partial<FakePlatformOptions> = {}): Promise<FakePlatform> => {
    const platform = await FakePlatform.bind({ port, ...options });
    bound.push(platform);
    return platform;
  };
  return { clock, operator, bind, port };
}

async function statuses(platform: FakePlatform, count: number): Promise<number[]> {
  const submits = Array.from({ length: count }, () => platform.submit({ to: '886911000000' }));
  const results = await Promise.all(submits);
  return results.map((result) => (result.kind === 'response' ? result.status : -1));
}

test('a wrong system_id or password is refused', async (t) => {
  const { bind } = await start(t);
  await assert.rejects(bind({ systemId: 'other' }), /"status":15/);
  await assert.rejects(bind({ password: 'wrong' }), /"status":14/);
});

test('receipts go to a receiver when the submit came from a transmitter', async (t) => {
  const { bind } = await start(t);
  const transmitter = await bind({ mode: 'transmitter' });
  const receiver = await bind({ mode: 'receiver' });
  const id = await transmitter.accepted({ to: '886911000000' });
  const [receipt] = await receiver.receiptsOnceThere(1);
  assert.equal(receipt?.id, id);
  assert.equal(transmitter.deliveries.length, 0);
});

test('receipts and replies wait for a receiver', async (t) => {
  const { bind, operator } = await start(t);
  const transmitter = await bind({ mode: 'transmitter' });
  const id = await transmitter.accepted({ to: '886911000000' });
  await operator.reply({ from: '0911000000', to: '12345', text: 'later' });
  assert.equal(operator.owed, 2);
  const receiver = await bind({ mode: 'receiver' });
  await receiver.until(() => receiver.deliveries.length === 2);
  assert.deepEqual(receiver.events.toSorted(), ['incoming', `receipt ${id}`]);
});

test('several transceivers share the receipts', async (t) => {
  const { bind } = await start(t);
  const one = await bind();
  const two = await bind();
  for (let index = 0; index < 6; index++) await one.accepted({ to: '886911000000' });
  await Promise.all([one.receiptsOnceThere(3), two.receiptsOnceThere(3)]);
});

test('a refused receipt is sent again', async (t) => {
  const { bind, clock, operator } = await start(t);
  let asked = 0;
  const platform = await bind({ judgeDelivery: () => (asked++ === 0 ? 0x64 : 0) });
  const id = await platform.accepted({ to: '886911000000' });
  await platform.receiptsOnceThere(1);
  // Its response says that the refusal before it has been read.
  await platform.accepted({ to: '886911000000', registeredDelivery: 0 });
  assert.equal(operator.owed, 1);
  clock.advance(1_000);
  const receipts = await platform.receiptsOnceThere(2);
  assert.deepEqual(
    receipts.map((receipt) => receipt.id),
    [id, id],
  );
});

test('a receipt that was not acknowledged before the link fell goes over the next link', async (t) => {
  const { bind } = await start(t);
  const deaf = await bind({ judgeDelivery: () => undefined });
  const id = await deaf.accepted({ to: '886911000000' });
  await deaf.receiptsOnceThere(1);
  deaf.destroy();
  const platform = await bind();
  assert.equal((await platform.receiptsOnceThere(1))[0]?.id, id);
});

test('the response waits for the latency, the receipt for its delay after it', async (t) => {
  const { bind, clock, operator } = await start(t, { latencyMs: 500, receiptDelayMs: 2_000 });
  const platform = await bind();
  const accepted = platform.accepted({ to: '886911000000' });
  while (operator.handsets.messages('0911000000').length === 0) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(499);
  assert.deepEqual(platform.events, []);
  clock.advance(1);
  await accepted;
  clock.advance(1_999);
  assert.equal(platform.receipts().length, 0);
  clock.advance(1);
  await platform.receiptsOnceThere(1);
});

test('submits beyond the throttle are refused with 0x58 until the next second', async (t) => {
  const { bind, clock, operator } = await start(t);
  operator.set({ throttlePerSecond: 3 });
  const platform = await bind();
  assert.deepEqual(await statuses(platform, 5), [0, 0, 0, 0x58, 0x58]);
  clock.advance(1_000);
  assert.deepEqual(await statuses(platform, 4), [0, 0, 0, 0x58]);
  operator.set({ throttlePerSecond: 0 });
  assert.deepEqual(await statuses(platform, 4), [0, 0, 0, 0]);
});

test('the error rate is the share of submits refused with 0x08', async (t) => {
  const { bind, operator } = await start(t, { errorRate: 0.1 });
  const platform = await bind();
  const refused = (await statuses(platform, 200)).filter((status) => status === 0x08);
  assert.equal(refused.length, 20);
  operator.set({ errorRate: 1 });
  assert.deepEqual(await statuses(platform, 2), [8, 8]);
});

test('settings that make no sense are refused', async (t) => {
  const { operator } = await start(t);
  assert.throws(() => operator.set({ errorRate: 2 }), RangeError);
  assert.throws(() => operator.set({ latencyMs: -1 }), RangeError);
  assert.throws(() => operator.set({ receiptDelayMs: Number.NaN }), RangeError);
});

test('long messages are joined on the handset, by header and by sar TLVs, in any order, duplicates or not', async (t) => {
  const { bind, operator } = await start(t);
  const platform = await bind();
  const [one, two, three] = udhSegments(200, ['one ', 'two ', 'three']);
  for (const part of [three, one, one, two]) await platform.accepted({ to: '886911000000', ...part });
  for (const sequence of [2, 1]) {
    const tlvs = { sarMsgRefNum: 700, sarTotalSegments: 2, sarSegmentSeqnum: sequence };
    await platform.accepted({ to: '886911000000', tlvs, shortMessage: Buffer.from(`sar${sequence}`) });
  }
  const body = Buffer.from('飛鴿', 'utf16le').swap16();
  await platform.accepted({ to: '886911000000', dataCoding: 8, shortMessage: body });
  const messages = operator.handsets.messages('0911000000');
  assert.deepEqual(
    messages.map(({ text, segments, from }) => [text, segments, from]),
    [
      ['one two three', 3, '12345'],
      ['sar1sar2', 2, '12345'],
      ['飛鴿', 1, '12345'],
    ],
  );
});

test('a long reply comes in segments of one reference, from the number in its international form', async (t) => {
  const { bind, operator } = await start(t);
  const platform = await bind();
  const text = '長'.repeat(100);
  const result = await operator.reply({ from: '0911000000', to: '12345', text });
  assert.deepEqual(result, { kind: 'accepted', segments: 2 });
  await platform.until(() => platform.deliveries.length === 2);
  const parts = platform.deliveries.map(({ dataCoding, esmClass, shortMessage: bytes }) =>
    decodeUserData({ dataCoding, udhi: (esmClass & 0x40) !== 0, bytes, defaultAlphabet: 'gsm7' }),
  );
  assert.equal(parts.map((part) => part.text).join(''), text);
  assert.deepEqual(
    parts.map(({ concat }) => [concat?.total, concat?.sequence]),
    [
      [2, 1],
      [2, 2],
    ],
  );
  const [delivery] = platform.deliveries;
  assert.deepEqual([delivery?.source.digits, delivery?.destination.digits], ['886911000000', '12345']);
});

test('the reference of the submit comes back in the receipt', async (t) => {
  const { bind } = await start(t);
  const platform = await bind();
  await platform.accepted({ to: '886911000000', tlvs: { userMessageReference: 4_711 } });
  assert.equal((await platform.receiptsOnceThere(1))[0]?.reference, 4_711);
});
