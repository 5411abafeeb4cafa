/** What an operator in each of its moods does on a real line, before a simulated operator that is in order. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { FollowingClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { SimulatedOperator } from '../../../src/simulator/smsc.ts';
import { STATUS } from '../../../src/smpp/pdu.ts';
import { FaultProxy } from '../../faults/fault-proxy.ts';
import { OperatorMood } from '../../faults/operator-mood.ts';
import { eventually } from '../../harness/sms-node.ts';
import { FakePlatform } from '../simulator/fake-platform.ts';

const RECEIPT_DELAY_MS = 20;
const LATE_MS = 150;
const SEED = 1;
const UNKNOWN_ID = /^receipt 9999/;

let operator: SimulatedOperator;
let proxy: FaultProxy;
let mood: OperatorMood;
let platform: FakePlatform;

beforeEach(async () => {
  operator = new SimulatedOperator({
    host: '127.0.0.1',
    port: 0,
    dataDir: undefined,
    clock: new FollowingClock(),
    log: createLogger({ level: 'silent' }),
    receiptDelayMs: RECEIPT_DELAY_MS,
  });
  const { port } = await operator.start();
  mood = new OperatorMood(SEED);
  proxy = new FaultProxy({ host: '127.0.0.1', port }, (line) => mood.splice(line));
  platform = await FakePlatform.bind({ port: await proxy.listen() });
});
afterEach(async () => {
  await proxy.stop();
  await operator.stop();
});

async function submit(n = 0): Promise<string> {
  const result = await platform.submit({ to: `88691100000${n}` });
  if (result.kind !== 'response') return result.kind;
  return result.status === 0 ? 'taken' : String(result.status);
}

async function receipts(count: number): Promise<string[]> {
  return eventually(`${count} receipts`, async () => {
    const found = platform.events.filter((event) => event.startsWith('receipt'));
    return found.length >= count && operator.owed === 0 ? found : undefined;
  });
}

test('in no mood everything passes as it is', async () => {
  assert.equal(await submit(), 'taken');
  assert.equal((await receipts(1)).length, 1);
  assert.match(platform.events.join(), /^response (\d+),receipt \1$/);
  assert.equal(mood.met, 0);
});

test('one that throttles refuses every other submit, which reaches no handset', async () => {
  mood.throttles = true;
  const answers = [await submit(0), await submit(1), await submit(2), await submit(3)];
  const throttled = String(STATUS.ESME_RTHROTTLED);
  assert.deepEqual(answers, ['taken', throttled, 'taken', throttled]);
  await receipts(2);
  assert.deepEqual(
    [0, 1, 2, 3].map((n) => operator.handsets.messages(`091100000${n}`).length),
    [1, 0, 1, 0],
  );
  assert.equal(mood.met, 2);
  mood.recover();
  assert.deepEqual([await submit(4), await submit(5)], ['taken', 'taken']);
});

test('one that answers late has its receipt come before the response', async () => {
  mood.responseDelayMs = LATE_MS;
  const startedMs = performance.now();
  assert.equal(await submit(), 'taken');
  assert.ok(performance.now() - startedMs >= LATE_MS - 5);
  assert.match(platform.events.join(), /^receipt (\d+),response \1$/);
});

test('one that sends receipts twice sends each twice, and is answered for both', async () => {
  mood.receiptsTwice = true;
  await submit();
  assert.match((await receipts(2)).join(), /^receipt (\d+),receipt \1$/);
});

test('one that sends receipts for unknown ids sends one beside each real one, by which no message is found', async () => {
  mood.receiptsForUnknownIds = true;
  await submit();
  const found = await receipts(2);
  assert.deepEqual(
    found.map((event) => UNKNOWN_ID.test(event)),
    [false, true],
  );
  const [real, invented] = platform.receipts();
  assert.equal(real?.tlvId, real?.id);
  assert.deepEqual([invented?.tlvId, invented?.reference], [invented?.id, undefined]);
});

test('what nobody is there for meets nobody', async () => {
  platform.destroy();
  await eventually('the end', async () => (operator.sessions === 0 ? true : undefined));
  mood.answerGarbage();
  mood.cutInMidPdu();
  assert.equal(mood.met, 0);
});

test('one that answers garbage loses the session, and a new one is in order', async () => {
  mood.answerGarbage();
  await eventually('the end', async () => (platform.events.includes('close') ? true : undefined));
  platform = await FakePlatform.bind({ port: proxy.port });
  assert.equal(await submit(), 'taken');
});

test('its garbage follows from the seed, each time another', () => {
  const drawn = (seed: number): string[] => {
    const angry = new OperatorMood(seed);
    const said: string[] = [];
    const toClient = (bytes: Buffer): void => void said.push(bytes.toString('hex'));
    angry.splice({ isOpen: true, toClient, toServer: () => {}, cut: () => {} });
    angry.answerGarbage();
    angry.answerGarbage();
    return said;
  };
  assert.deepEqual(drawn(7), drawn(7));
  assert.equal(new Set([...drawn(7), ...drawn(8)]).size, 4);
});

test('one that cuts in mid-PDU has taken what it never answered', async () => {
  mood.cutInMidPdu();
  assert.notEqual(await submit(), 'taken');
  assert.deepEqual(platform.events, ['close']);
  await eventually('the message at the handset', async () =>
    operator.handsets.messages('0911000000').length === 1 ? true : undefined,
  );
  assert.equal(mood.unheard, 1);
});
