import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { acceptBatch } from '../../src/store/acceptance.ts';
import { dropUnusedRecordings, readRecording, storeRecording } from '../../src/store/call-recordings.ts';
import {
  callQueueHeadAge,
  claimCalls,
  giveBackCalls,
  markAnswered,
  markDialled,
  noteCallEvents,
  noteTalking,
  promoteCalls,
  releaseStrayCalls,
  takeOverCalls,
} from '../../src/store/call-queue.ts';
import { settleCalls } from '../../src/store/call-settlement.ts';
import { acceptCalls, findCall } from '../../src/store/calls.ts';
import { Database, type Parameter, type Queryable, type Statement } from '../../src/store/database.ts';
import { deleteScheduledMessage, findMessage } from '../../src/store/messages.ts';
import { dueKeptReceipts, isStillKept, keepReceipts, setReceiptsAside } from '../../src/store/kept-receipts.ts';
import {
  countResendBack,
  endRefusedLate,
  markTaken,
  putOffRefusedLate,
  putOffSegmentsRefusedLate,
  stillQueued,
  takeWaiting,
} from '../../src/store/late-responses.ts';
import { claimOpen, claimParked, park, recordDelivered, recordFailed, release } from '../../src/store/outbox.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { claim, expireQueued, findExpired, giveBack, promoteDue, releaseStrays } from '../../src/store/queue.ts';
import { queueHeads } from '../../src/store/queue-depths.ts';
import { settleReceipts, timeOutSegments } from '../../src/store/receipts.ts';
import { endMessages, recordSubmitted } from '../../src/store/submissions.ts';
import { holdExpired } from '../../src/store/unknown-outcomes.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** Takes statements down instead of running them. */
class Recorder implements Queryable {
  readonly statements: Statement[] = [];

  query<Row>(statement: Statement, _parameters: readonly Parameter[]): Promise<Row[]> {
    this.statements.push(statement);
    return Promise.resolve([]);
  }
}

const returned = { msgid: 1, claim: 1, sentMask: 0, reference: undefined, attempts: 0, resends: 0 };
const HOT: [string, (db: Queryable) => Promise<unknown>][] = [
  ['accept', (db) => acceptBatch(db, 0, [])],
  ['claim', (db) => claim(db, { epoch: 1, operatorId: 1, fromRank: 0, limit: 1 })],
  [
    'give back',
    (db) =>
      giveBack(db, 1, [
        { ...returned, dueAtMs: undefined },
        { ...returned, dueAtMs: 1 },
      ]),
  ],
  ['hold expired', (db) => holdExpired(db, 0, [], 1)],
  ['release strays', (db) => releaseStrays(db, { epoch: 1, operatorId: 1, known: [] })],
  ['promote', (db) => promoteDue(db, 0, 1)],
  ['queue heads', (db) => queueHeads(db, 0)],
  ['find expired', (db) => findExpired(db, 0, 0, 1)],
  ['expire', (db) => expireQueued(db, 0, [])],
  ['record submitted', (db) => recordSubmitted(db, [])],
  ['take waiting', (db) => takeWaiting(db, [])],
  ['mark taken', (db) => markTaken(db, [])],
  ['still queued', (db) => stillQueued(db, [])],
  ['count a resend back', (db) => countResendBack(db, [])],
  ['end refused late', (db) => endRefusedLate(db, 0, [])],
  ['put off refused late', (db) => putOffRefusedLate(db, 0, [])],
  ['put off segments refused late', (db) => putOffSegmentsRefusedLate(db, 0, [])],
  ['end', (db) => endMessages(db, 1, 0, [])],
  ['settle receipts', (db) => settleReceipts(db, 0, [])],
  ['keep receipts', (db) => keepReceipts(db, 0, [])],
  ['due kept receipts', (db) => dueKeptReceipts(db, 0, 1)],
  ['set receipts aside', (db) => setReceiptsAside(db, [])],
  ['still kept', (db) => isStillKept(db, { id: '', operatorId: 1, mobile: '' })],
  ['time out', (db) => timeOutSegments(db, 0, 1, [])],
  ['find', (db) => findMessage(db, 1)],
  ['delete scheduled', (db) => deleteScheduledMessage(db, 0, { msgid: 1, accountId: 1, mobile: '' })],
];

const claimOf = { callbackId: 1, epoch: 1 };
const OUTBOX: [string, (db: Queryable) => Promise<unknown>][] = [
  ['claim callbacks', (db) => claimOpen(db, { epoch: 1, nowMs: 0, limit: 1, fullHosts: [] })],
  ['claim parked callbacks', (db) => claimParked(db, { epoch: 1, nowMs: 0, wanted: [] })],
  ['park callbacks', (db) => park(db, [claimOf])],
  ['release callbacks', (db) => release(db, [claimOf])],
  ['record delivered', (db) => recordDelivered(db, [], true)],
  ['record failed', (db) => recordFailed(db, [], true)],
];
/** These walk through what is claimed, by an index that holds nothing else: no more than the calls under way. */
const WALKS: ReadonlySet<string> = new Set(['claim calls', 'settle calls', 'take over calls', 'drop recordings']);

const aCall = { msgid: 1, claim: 1, dueAtMs: undefined, attempts: 0, speechFailures: 0, redials: 0 };
const anEvent = { msgid: 1, atMs: 0, kind: '', trunk: undefined, status: undefined, detail: undefined };
const CALLS: [string, (db: Queryable) => Promise<unknown>][] = [
  ['accept calls', (db) => acceptCalls(db, 0, [])],
  [
    'claim calls',
    (db) => claimCalls(db, { epoch: 1, limit: 1, allowances: new Map(), otherwise: 1, callsPerAccount: 1 }),
  ],
  ['mark dialled', (db) => markDialled(db, 1, [])],
  ['mark answered', (db) => markAnswered(db, 1, [])],
  ['note talking', (db) => noteTalking(db, 1, 0, [])],
  ['give back calls', (db) => giveBackCalls(db, 1, [aCall])],
  ['promote calls', (db) => promoteCalls(db, 0, 1)],
  ['release stray calls', (db) => releaseStrayCalls(db, 1, [])],
  ['take over calls', (db) => takeOverCalls(db, 1, 1)],
  ['note call events', (db) => noteCallEvents(db, [anEvent])],
  ['head of the queue of calls', (db) => callQueueHeadAge(db, 0)],
  ['settle calls', (db) => settleCalls(db, 0, [])],
  ['find call', (db) => findCall(db, 1)],
  ['store recording', (db) => storeRecording(db, Buffer.alloc(0), 0).catch(() => undefined)],
  ['read recording', (db) => readRecording(db, 1)],
  ['drop recordings', (db) => dropUnusedRecordings(db, 0)],
];

let testDatabase: TestDatabase;
let client: pg.Client;
before(async () => {
  testDatabase = await createTestDatabase();
  const database = new Database(testDatabase.url);
  await makePartitions(database);
  await database.stop();
  client = new pg.Client({
    connectionString: testDatabase.url,
    options: '-c jit=off -c enable_seqscan=off -c enable_bitmapscan=off -c enable_mergejoin=off -c enable_hashjoin=off',
  });
  await client.connect();
});
after(async () => {
  await client.end();
  await testDatabase.drop();
});

const LARGE =
  /(queue|deferred|in_flight|outbox|accounts|ledger|long_messages|messages_\d+|message_events_\d+|calls_\d+|call_recordings|call_ranks)/;
/** Often empty when they are vacuumed, and full a moment later. */
const OFTEN_EMPTY = /Index (?:Only )?Scan using (\S+) on (?:queue|call_queue|deferred|in_flight|outbox)\b/;
/** Without a condition on its first column an index is read from end to end, Index Cond or not. */
const FIRST_COLUMNS: Readonly<Record<string, string>> = {
  queue_order: 'operator_id',
  deferred_due: 'due_at',
  in_flight_pkey: 'operator_message_id',
  in_flight_unknown: 'mobile',
  outbox_open: 'next_at',
  outbox_parked: 'host',
  call_queue_order: 'account_id',
};

/** Whether the line, with the condition that follows it, looks rows up by the first column of an index. */
function looksUp(line: string, condition: string): boolean {
  const index = OFTEN_EMPTY.exec(line)?.[1] ?? '';
  return /Index Cond/.test(condition) && condition.includes(FIRST_COLUMNS[index] ?? '');
}

/** The lines of the statements' plans, each with the one after it. */
async function planLines(
  run: (db: Queryable) => Promise<unknown>,
): Promise<{ line: string; next: string; plan: string }[]> {
  const recorder = new Recorder();
  await run(recorder);
  assert.ok(recorder.statements.length > 0);
  const found = [];
  for (const statement of recorder.statements) {
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN (GENERIC_PLAN) ${statement.text}`);
    const lines = rows.map((row) => row['QUERY PLAN']);
    for (const [index, line] of lines.entries())
      found.push({ line, next: lines[index + 1] ?? '', plan: lines.join('\n') });
  }
  return found;
}

for (const [name, run] of [...HOT, ...CALLS]) {
  test(`the plan of «${name}» reads no large table from end to end, empty as it may have been when it was made`, async () => {
    for (const { line, plan } of await planLines(run)) {
      assert.ok(!(/Seq Scan on/.test(line) && LARGE.test(line)), plan);
    }
  });
}

describe('after a vacuum that left one row', () => {
  before(async () => {
    await client.query(`
      INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, accepted_at, expires_at)
      VALUES (1, 1, 1, 1, '', '', 1, now(), now());
      INSERT INTO in_flight (operator_message_id, operator_id, msgid, segment, segments, mobile, overdue_at)
      VALUES ('x', 1, 1, 1, 1, '', now());
      INSERT INTO outbox (kind, account_id, msgid, url, host, created_at, next_at, give_up_at)
      VALUES ('receipt', 1, 1, '', '', now(), now(), now());
      INSERT INTO deferred (msgid, due_at, why, operator_id, account_id, mobile, body, segments, accepted_at, expires_at)
      VALUES (1, now(), 'retry', 1, 1, '', '', 1, now(), now());`);
    for (const table of ['queue', 'in_flight', 'outbox', 'deferred', 'call_queue'])
      await client.query(`VACUUM ${table}`);
  });

  for (const [name, run] of [...HOT, ...OUTBOX, ...CALLS]) {
    // Beside each row of a batch it would be read again: with thousands in it that takes seconds (store/keyed).
    test(`the plan of «${name}» looks each row up by its key`, async () => {
      for (const { line, next, plan } of await planLines(run)) {
        assert.ok(!OFTEN_EMPTY.test(line) || looksUp(line, next) || WALKS.has(name), plan);
      }
    });
  }
});
