import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { Acceptance } from '../../../src/sms/accept.ts';
import { makePartitions } from '../../../src/store/partitions.ts';
import { eventually } from '../../harness/sms-node.ts';
import { type Platform, startPlatform } from './platform.ts';

const OPERATOR_ID = 1;
/** What may wait behind the batch under way. */
const ROOM = 10_000;
const POINTS = 20_000;

let platform: Platform;
let acceptance: Acceptance;
before(async () => {
  platform = await startPlatform();
  await platform.addAccount('test', { points: POINTS });
  await makePartitions(platform.database);
  await rows("INSERT INTO operators (name, settings) VALUES ('o', '{}')");
  acceptance = new Acceptance({
    database: platform.database,
    clock: platform.clock,
    log: createLogger({ level: 'silent' }),
    operators: { choose: () => OPERATOR_ID },
    lingerMs: 1,
    onQueued: () => {},
    queueHolder: () => undefined,
    onBatch: () => {},
    onUnresolved: () => assert.fail('the database answered'),
  });
  platform.acceptOutcome = (message) => acceptance.accept(message);
});
after(async () => {
  await acceptance.stop();
  await platform.stop();
});

const rows = <Row>(text: string): Promise<Row[]> =>
  platform.database.query<Row>({ name: `test-${text}`.slice(0, 63), text }, []);
const points = async (): Promise<number> =>
  (await rows<{ balance: number }>('SELECT balance FROM accounts'))[0]?.balance ?? assert.fail();
const code = async (): Promise<unknown> =>
  (await platform.get('sms_send', { mobile: '0911222333', message: 'hello' })).json().code;

test('while too much waits for the database a message is answered with 99998 at once and costs nothing', async () => {
  assert.equal(await code(), '00000');
  const [message] = platform.accepted;
  assert.ok(message);
  const full = await platform.database.transaction(async (tx) => {
    await tx.query({ name: 'test-hold', text: 'SELECT FROM accounts FOR UPDATE' }, []);
    const first = acceptance.accept(message);
    await eventually('a batch that waits for the account', async () => {
      const waiting = await rows("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'judged'");
      return waiting.length > 0 ? true : undefined;
    });
    const waiting = Array.from({ length: ROOM }, () => acceptance.accept(message));
    assert.equal(await code(), '99998');
    return [first, ...waiting];
  });
  const kinds = new Set((await Promise.all(full)).map((outcome) => outcome.kind));
  assert.deepEqual([...kinds], ['accepted'], 'what had found room is taken');
  assert.equal(await code(), '00000');
  assert.equal(await points(), POINTS - full.length - 2);
});
