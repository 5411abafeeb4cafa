import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { asciiJson, incomingAnswer, incomingRow } from '../../../src/domain/answers.ts';
import { IncomingQuery } from '../../../src/sms/incoming-query.ts';
import { createAccount } from '../../../src/store/account-admin.ts';
import { Database } from '../../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../../harness/database.ts';

const START_MS = Date.UTC(2026, 10, 21, 16);
const DAY_MS = 86_400_000;

let template: TestDatabase;
let database: Database;
let client: pg.Client;
let accountId: number;

before(async () => {
  template = await createTestDatabase();
  database = new Database(template.url);
  client = new pg.Client(template.url);
  await client.connect();
  const created = await createAccount(database, { username: 'shop', passwordHash: 'hash', points: 0 });
  accountId = created.kind === 'created' ? created.account.accountId : assert.fail();
});
after(async () => {
  await client.end();
  await database.stop();
  await template.drop();
});

/** `rows` messages of `characters`, the n-th one `interval` behind the one before. */
async function arrive(snumber: string, rows: number, characters: number, interval: string): Promise<void> {
  await client.query('INSERT INTO numbers (snumber, address, account_id) VALUES ($1, $1, $2)', [snumber, accountId]);
  await client.query(
    `INSERT INTO incoming (snumber, account_id, operator_id, address, mobile, body, received_at, fingerprint)
     SELECT $1, $2, 1, $1, '886911222333', repeat('好', $3), to_timestamp($4 / 1000.0) + n * $5::interval, $1 || n
     FROM generate_series(0, $6 - 1) AS n`,
    [snumber, accountId, characters, START_MS, interval, rows],
  );
}

/** Every seq that is told when one asks on behind the last one, and the size of each answer. */
async function readAll(snumber: string): Promise<{ seqs: number[]; sizes: number[] }> {
  const query = new IncomingQuery({ database });
  const seqs: number[] = [];
  const sizes: number[] = [];
  let afterSeq: number | undefined;
  for (;;) {
    const found = await query.find({ accountId, snumber, startMs: START_MS, endMs: START_MS + DAY_MS, afterSeq });
    if (found.kind !== 'rows') return assert.fail(found.kind);
    sizes.push(asciiJson(incomingAnswer(found.rows.map(incomingRow), found.more)).length);
    seqs.push(...found.rows.map(({ seq }) => seq));
    if (!found.more) return { seqs, sizes };
    afterSeq = seqs.at(-1);
  }
}

async function storedSeqs(snumber: string): Promise<number[]> {
  const { rows } = await client.query<{ seq: string }>(
    'SELECT seq FROM incoming WHERE snumber = $1 ORDER BY received_at, seq',
    [snumber],
  );
  return rows.map(({ seq }) => Number(seq));
}

test('a day of the longest messages comes in answers of 8 MiB at most, each message once', async () => {
  await arrive('10001', 100, 39_015, '13 minutes');
  const { seqs, sizes } = await readAll('10001');
  assert.deepEqual(seqs, await storedSeqs('10001'));
  assert.equal(sizes.length, 3);
  assert.ok(Math.max(...sizes) <= 8_388_608, String(sizes));
});

test('a day of more than 10,000 messages is told whole, however close they came', async () => {
  await arrive('10002', 25_000, 5, '30 microseconds');
  const { seqs, sizes } = await readAll('10002');
  assert.deepEqual(seqs, await storedSeqs('10002'));
  assert.equal(sizes.length, 1);
});

test('behind the last message, and behind one of another day, there is nothing', async () => {
  await arrive('10003', 3, 5, '10 hours');
  const query = new IncomingQuery({ database });
  const day = { accountId, snumber: '10003', startMs: START_MS, endMs: START_MS + DAY_MS };
  const [first, second, third] = await storedSeqs('10003');
  const seqsBehind = async (afterSeq: number | undefined): Promise<unknown> => {
    const found = await query.find({ ...day, afterSeq });
    return found.kind === 'rows' ? [found.rows.map(({ seq }) => seq), found.more] : found.kind;
  };
  assert.deepEqual(await seqsBehind(first), [[second, third], false]);
  assert.deepEqual(await seqsBehind(third), [[], false]);
  assert.deepEqual(await seqsBehind((third ?? 0) + 1_000_000), [[], false]);
});

test('a message larger than an answer is told alone', async () => {
  await arrive('10004', 2, 1_000, '1 second');
  const query = new IncomingQuery({ database, maxAnswerBytes: 100 });
  const found = await query.find({ accountId, snumber: '10004', startMs: START_MS, endMs: START_MS + DAY_MS });
  assert.deepEqual([found.kind, found.kind === 'rows' && [found.rows.length, found.more]], ['rows', [1, true]]);
});
