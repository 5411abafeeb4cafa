import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Database } from '../../src/store/database.ts';
import { checkLedger } from '../../src/store/ledger.ts';
import { dropOldPartitions, makePartitions } from '../../src/store/partitions.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const FIRST_MSGID = 100_000_000;
const SECOND_PARTITION = 110_000_000;
const NOW_MS = 1_800_000_000_000;
const DAY_MS = 86_400_000;

let testDatabase: TestDatabase;
let database: Database;
const run = <Row>(text: string): Promise<Row[]> => database.query<Row>({ name: `test-${text}`.slice(0, 63), text }, []);

before(async () => {
  testDatabase = await createTestDatabase();
  database = new Database(testDatabase.url);
  await makePartitions(database);
  await run("INSERT INTO accounts (username, password_hash, balance) VALUES ('customer', 'unused', 99)");
  await run("INSERT INTO ledger (account_id, at, kind, points) VALUES (1, now(), 'topup', 100)");
});
after(async () => {
  await database.stop();
  await testDatabase.drop();
});

async function store(msgid: number, acceptedMs: number, state: string | null): Promise<void> {
  const text = `INSERT INTO messages (msgid, account_id, accepted_at, due_at, expires_at, scheduled, mobile, body, segments, points, state)
    VALUES ($1, 1, to_timestamp($2 / 1000.0), now(), now(), false, '886911222333', 'x', 1, 1, $3)`;
  await database.query({ name: 'test-store', text }, [msgid, acceptedMs, state]);
}

test('a partition stays while its msgids are handed out, while a message is open, young, or not in the ledger', async () => {
  await store(FIRST_MSGID, NOW_MS - 100 * DAY_MS, null);
  const drop = () => dropOldPartitions(database, NOW_MS - 90 * DAY_MS);
  assert.deepEqual(await drop(), { dropped: [], disagreeing: [] }, 'its msgids are not all handed out');
  await run(`SELECT setval('msgid_blocks', ${SECOND_PARTITION})`);
  assert.deepEqual(await drop(), { dropped: [], disagreeing: [] }, 'a message has no final state');
  await run("UPDATE messages SET state = 'DELIVRD', accepted_at = accepted_at + interval '50 days'");
  assert.deepEqual(await drop(), { dropped: [], disagreeing: [] }, 'a message is younger than the retention');
  await run("UPDATE messages SET accepted_at = accepted_at - interval '50 days'");
  assert.deepEqual(
    await drop(),
    { dropped: [], disagreeing: ['messages_00100000000'] },
    'its charge is not in the ledger',
  );
});

test('a partition that agrees with the ledger goes with its events, and the ledger keeps its sums', async () => {
  await run(`INSERT INTO ledger (account_id, at, kind, points, messages, first_msgid, last_msgid)
    VALUES (1, to_timestamp(${(NOW_MS - 100 * DAY_MS) / 1000}), 'charge', -1, 1, ${FIRST_MSGID}, ${FIRST_MSGID})`);
  const { dropped } = await dropOldPartitions(database, NOW_MS - 90 * DAY_MS);
  assert.deepEqual(dropped, ['messages_00100000000']);
  const left = await run(
    "SELECT 1 FROM pg_class WHERE relname IN ('messages_00100000000', 'message_events_00100000000')",
  );
  assert.equal(left.length, 0);
  assert.deepEqual((await checkLedger(database)).mismatches, []);
  await makePartitions(database);
  await store(SECOND_PARTITION + 1, NOW_MS, null);
});
