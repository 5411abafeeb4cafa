import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { smsHooks, voiceHooks } from '../../../src/stage-hooks.ts';
import { Acceptance } from '../../../src/sms/accept.ts';
import { Database } from '../../../src/store/database.ts';
import { checkLedger } from '../../../src/store/ledger.ts';
import { makePartitions } from '../../../src/store/partitions.ts';
import { CallAcceptance } from '../../../src/voice/accept.ts';
import { FaultProxy } from '../../faults/fault-proxy.ts';
import { newCall } from '../../harness/voice-node.ts';
import { startPlatform, type Platform } from './platform.ts';

const RESOLVE_WITHIN_MS = 1_500;
const OPERATOR_ID = 1;
const MESSAGE = { mobile: '0911222333', message: 'hello' };

let platform: Platform;
let proxy: FaultProxy;
/** Over the line that is cut; everything else goes to the database itself. */
let database: Database;
let acceptance: Acceptance;
let calls: CallAcceptance;
/** The statement whose answer gets lost: it is committed by then. Called when that has happened. */
let loses: { statement: string; lost: () => void } | undefined;

before(async () => {
  platform = await startPlatform();
  await platform.addAccount('test');
  await makePartitions(platform.database);
  await rows("INSERT INTO operators (name, settings) VALUES ('o', '{}')");
  const url = new URL(platform.databaseUrl);
  proxy = new FaultProxy({ host: url.hostname, port: Number(url.port) }, (line) => {
    let watched: typeof loses;
    return {
      fromClient: (bytes) => {
        if (loses !== undefined && bytes.includes(loses.statement)) watched = loses;
        line.toServer(bytes);
      },
      fromServer: (bytes) => {
        if (watched === undefined) {
          line.toClient(bytes);
          return;
        }
        loses = undefined;
        watched.lost();
      },
    };
  });
  url.host = `127.0.0.1:${await proxy.listen()}`;
  database = new Database(url.href);
  const shared = {
    database,
    clock: platform.clock,
    log: createLogger({ level: 'silent' }),
    lingerMs: 1,
    onQueued: () => {},
    onBatch: () => {},
    resolveWithinMs: RESOLVE_WITHIN_MS,
  };
  const wakes = { wake: () => {}, holder: () => undefined };
  acceptance = new Acceptance({
    ...shared,
    operators: { choose: () => OPERATOR_ID },
    queueHolder: () => undefined,
    onUnresolved: smsHooks(platform.metrics, wakes).unresolved,
  });
  calls = new CallAcceptance({ ...shared, onUnresolved: voiceHooks(platform.metrics, wakes.wake).unresolved });
  platform.acceptOutcome = (message) => acceptance.accept(message);
});
after(async () => {
  await acceptance.stop();
  await calls.stop();
  await database.stop();
  await proxy.stop();
  await platform.stop();
});
beforeEach(() => {
  proxy.setState({ kind: 'open' });
});

const rows = <Row>(text: string): Promise<Row[]> =>
  platform.database.query<Row>({ name: `test-${text}`.slice(0, 63), text }, []);

/** Messages and calls that are stored, and the points that are left. */
async function stored(): Promise<{ messages: number; calls: number; balance: number }> {
  assert.deepEqual((await checkLedger(platform.database)).mismatches, []);
  const [found] = await rows<{ messages: number; calls: number; balance: number }>(
    `SELECT (SELECT count(*)::int FROM messages) AS messages, (SELECT count(*)::int FROM calls) AS calls, balance FROM accounts`,
  );
  return found ?? assert.fail();
}

async function unresolvedCommits(): Promise<number> {
  const text = await platform.metrics.registry.metrics();
  return Number(/^feige_unresolved_commits_total (\d+)$/m.exec(text)?.[1] ?? assert.fail());
}

test('a message whose commit was lost is answered with 00000 once the line is back, and charged once', async () => {
  const earlier = await stored();
  const unresolved = await unresolvedCommits();
  loses = { statement: 'accept-batch', lost: () => proxy.cutAll() };
  const answer = (await platform.get('sms_send', MESSAGE)).json();
  assert.equal(loses, undefined, 'the commit was lost');
  assert.equal(answer.code, '00000');
  const later = await stored();
  assert.deepEqual(later, { ...earlier, messages: earlier.messages + 1, balance: earlier.balance - 1 });
  assert.equal((await rows(`SELECT FROM messages WHERE msgid = ${String(answer.msgid)}`)).length, 1);
  assert.equal(await unresolvedCommits(), unresolved);
});

test('a message whose commit stays unknown closes the connection without an answer, and is counted', async () => {
  const earlier = await stored();
  const unresolved = await unresolvedCommits();
  loses = { statement: 'accept-batch', lost: () => proxy.setState({ kind: 'closed' }) };
  const startedMs = performance.now();
  await assert.rejects(platform.get('sms_send', MESSAGE), { code: 'ECONNRESET' });
  assert.ok(performance.now() - startedMs >= RESOLVE_WITHIN_MS, 'it was asked again until the bound');
  assert.equal(await unresolvedCommits(), unresolved + 1);
  assert.deepEqual(await stored(), { ...earlier, messages: earlier.messages + 1, balance: earlier.balance - 1 });
});

test('so is a call whose commit stays unknown', async () => {
  const earlier = await stored();
  const unresolved = await unresolvedCommits();
  const [account] = await rows<{ account_id: number; version: number }>('SELECT account_id, version FROM accounts');
  loses = { statement: 'accept-calls', lost: () => proxy.setState({ kind: 'closed' }) };
  const outcome = await calls.accept(newCall(account?.account_id ?? 0, account?.version ?? 0, '0911222333'));
  assert.deepEqual(outcome, { kind: 'unresolved' });
  assert.equal(await unresolvedCommits(), unresolved + 1);
  assert.deepEqual(await stored(), { ...earlier, calls: earlier.calls + 1, balance: earlier.balance - 2 });
});
